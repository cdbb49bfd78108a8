"""Lesson 06: what happens next in Pommerman? LSTM, DNC, no memory at all, and tables that only count.

`games` plays and records, `data` cuts the recorded games into segments to learn from. `encoding` takes a state apart into
classes and puts it together again, `models` and `one_hot` predict the next one, `configs` describes a model and its training,
`roster` says which models are compared, `pipeline` trains them. `baselines` and `own_action` predict without a network,
`measures` counts what is predicted right, `hidden_numbers` asks for what only a memory can know, `evaluation` evaluates all of
them on the test games. `estimates` makes numbers of the counts, `board_text` stores boards, `figures` draws.
"""

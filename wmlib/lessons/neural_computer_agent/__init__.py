"""Lesson 07: the Neural Computer Agent, which learns a model of all levels and a policy that practises in the model's dreams.

On grids: `pipeline` runs the agent and model-free PPO, `measures` looks at one model and policy, `estimates` computes the
numbers of verdicts and figures, `figures` draws them. On the corridor that asks for memory: `corridor` and `corridor_figures`.
Beyond the main comparison: `extensions` runs and shows `rehearsal`, `ablations`, 8 x 8 and `partial_view`.
"""

;; One function: the product C = A B' of float32 matrices, four numbers at a time (WebAssembly SIMD).
;;
;; A is m x k, B is n x k and C is m x n, each row after row; k and n must be multiples of 4. A layer of a network is m = 1: B holds
;; its weights, one output a row, so that memory is read in order. A transposed convolution is m pixels.
;;
;; Two rows of A meet four rows of B at once: 8 sums of four numbers stay in registers, and each number that is loaded serves
;; two or four of them. The sums of four are added up at the end of a row.
(module
  (import "page" "memory" (memory 1))

  ;; the four numbers of a sum added up, for four sums: (Σa, Σb, Σc, Σd)
  (func $add_up (param $a v128) (param $b v128) (param $c v128) (param $d v128) (result v128)
    (local $ab v128) (local $cd v128)
    ;; (a0 + a2, b0 + b2, a1 + a3, b1 + b3), and the same of c and d
    (local.set $ab (f32x4.add
      (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $a) (local.get $b))
      (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b))))
    (local.set $cd (f32x4.add
      (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c) (local.get $d))
      (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c) (local.get $d))))
    (f32x4.add
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $ab) (local.get $cd))
      (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $ab) (local.get $cd))))

  ;; a, b, c: byte addresses
  (func (export "product") (param $a i32) (param $b i32) (param $c i32) (param $m i32) (param $n i32) (param $k i32)
    (local $row i32)        ;; bytes of a row of A and of B
    (local $line i32)       ;; bytes of a row of C
    (local $b0 i32) (local $j i32) (local $c0 i32) (local $a0 i32) (local $a1 i32)
    (local $at i32)         ;; bytes along the rows so far
    (local $b1 i32) (local $b2 i32) (local $b3 i32)
    (local $x v128) (local $y v128) (local $w v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local $t0 v128) (local $t1 v128) (local $t2 v128) (local $t3 v128)
    (local.set $row (i32.shl (local.get $k) (i32.const 2)))
    (local.set $line (i32.shl (local.get $n) (i32.const 2)))
    (local.set $a0 (local.get $a))
    (block $done
      (loop $rows
        (br_if $done (i32.le_s (local.get $m) (i32.const 0)))
        ;; the second row of A is the first again where there is none: its sums are not stored then
        (local.set $a1 (select
          (i32.add (local.get $a0) (local.get $row)) (local.get $a0) (i32.gt_s (local.get $m) (i32.const 1))))
        (local.set $b0 (local.get $b))
        (local.set $c0 (local.get $c))
        (local.set $j (local.get $n))
        (loop $columns
          (local.set $at (i32.const 0))
          (local.set $b1 (i32.add (local.get $b0) (local.get $row)))
          (local.set $b2 (i32.add (local.get $b1) (local.get $row)))
          (local.set $b3 (i32.add (local.get $b2) (local.get $row)))
          (local.set $s0 (v128.const f32x4 0 0 0 0))
          (local.set $s1 (v128.const f32x4 0 0 0 0))
          (local.set $s2 (v128.const f32x4 0 0 0 0))
          (local.set $s3 (v128.const f32x4 0 0 0 0))
          (if (i32.eq (local.get $a0) (local.get $a1))
            (then
              (loop $along
                (local.set $x (v128.load (i32.add (local.get $a0) (local.get $at))))
                (local.set $s0 (f32x4.add (local.get $s0) (f32x4.mul (local.get $x)
                  (v128.load (i32.add (local.get $b0) (local.get $at))))))
                (local.set $s1 (f32x4.add (local.get $s1) (f32x4.mul (local.get $x)
                  (v128.load (i32.add (local.get $b1) (local.get $at))))))
                (local.set $s2 (f32x4.add (local.get $s2) (f32x4.mul (local.get $x)
                  (v128.load (i32.add (local.get $b2) (local.get $at))))))
                (local.set $s3 (f32x4.add (local.get $s3) (f32x4.mul (local.get $x)
                  (v128.load (i32.add (local.get $b3) (local.get $at))))))
                (local.set $at (i32.add (local.get $at) (i32.const 16)))
                (br_if $along (i32.lt_u (local.get $at) (local.get $row)))))
            (else
              (local.set $t0 (v128.const f32x4 0 0 0 0))
              (local.set $t1 (v128.const f32x4 0 0 0 0))
              (local.set $t2 (v128.const f32x4 0 0 0 0))
              (local.set $t3 (v128.const f32x4 0 0 0 0))
              (loop $along
                (local.set $x (v128.load (i32.add (local.get $a0) (local.get $at))))
                (local.set $y (v128.load (i32.add (local.get $a1) (local.get $at))))
                (local.set $w (v128.load (i32.add (local.get $b0) (local.get $at))))
                (local.set $s0 (f32x4.add (local.get $s0) (f32x4.mul (local.get $x) (local.get $w))))
                (local.set $t0 (f32x4.add (local.get $t0) (f32x4.mul (local.get $y) (local.get $w))))
                (local.set $w (v128.load (i32.add (local.get $b1) (local.get $at))))
                (local.set $s1 (f32x4.add (local.get $s1) (f32x4.mul (local.get $x) (local.get $w))))
                (local.set $t1 (f32x4.add (local.get $t1) (f32x4.mul (local.get $y) (local.get $w))))
                (local.set $w (v128.load (i32.add (local.get $b2) (local.get $at))))
                (local.set $s2 (f32x4.add (local.get $s2) (f32x4.mul (local.get $x) (local.get $w))))
                (local.set $t2 (f32x4.add (local.get $t2) (f32x4.mul (local.get $y) (local.get $w))))
                (local.set $w (v128.load (i32.add (local.get $b3) (local.get $at))))
                (local.set $s3 (f32x4.add (local.get $s3) (f32x4.mul (local.get $x) (local.get $w))))
                (local.set $t3 (f32x4.add (local.get $t3) (f32x4.mul (local.get $y) (local.get $w))))
                (local.set $at (i32.add (local.get $at) (i32.const 16)))
                (br_if $along (i32.lt_u (local.get $at) (local.get $row))))
              (v128.store (i32.add (local.get $c0) (local.get $line))
                (call $add_up (local.get $t0) (local.get $t1) (local.get $t2) (local.get $t3)))))
          (v128.store (local.get $c0) (call $add_up (local.get $s0) (local.get $s1) (local.get $s2) (local.get $s3)))
          (local.set $b0 (i32.add (local.get $b3) (local.get $row)))
          (local.set $c0 (i32.add (local.get $c0) (i32.const 16)))
          (local.set $j (i32.sub (local.get $j) (i32.const 4)))
          (br_if $columns (i32.gt_s (local.get $j) (i32.const 0))))
        (local.set $a0 (i32.add (local.get $a0) (i32.shl (local.get $row) (i32.const 1))))
        (local.set $c (i32.add (local.get $c) (i32.shl (local.get $line) (i32.const 1))))
        (local.set $m (i32.sub (local.get $m) (i32.const 2)))
        (br $rows)))))

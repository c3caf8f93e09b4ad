;; The sums of a convolution, four numbers at a time. All that is not here is JavaScript.
;;
;; Everything lies in one memory, which JavaScript makes: addresses and distances are in bytes, numbers
;; are 32-bit floats. A product of matrices C = A B + bias is made in tiles of four rows and eight columns,
;; whose 32 sums stay in registers. `pack` and `pack_row` lay the eight columns of B side by side first;
;; for a convolution a column is a window of the picture.
;;
;; Where a product is added to a local sum, the product stands first: arena.js makes the two one instruction,
;; where the browser knows it.
(module
  (import "engine" "memory" (memory 1))

  ;; Eight columns of C, four rows a turn. `a`: panels of four rows of A, each [k][4]. `b`: eight columns
  ;; of B, [k][8]. `to`: the first of C's rows, which lie `row` apart. `bias`: four numbers a panel.
  (func (export "multiply")
      (param $a i32) (param $b i32) (param $k i32) (param $panels i32)
      (param $to i32) (param $row i32) (param $bias i32)
    (local $left i32) (local $from i32)
    (local $w v128) (local $bl v128) (local $br v128)
    (local $c0l v128) (local $c0r v128) (local $c1l v128) (local $c1r v128) (local $c2l v128) (local $c2r v128) (local $c3l v128) (local $c3r v128)
    (loop $panel
      (local.set $c0l (v128.load32_splat offset=0 (local.get $bias)))
      (local.set $c0r (v128.load32_splat offset=0 (local.get $bias)))
      (local.set $c1l (v128.load32_splat offset=4 (local.get $bias)))
      (local.set $c1r (v128.load32_splat offset=4 (local.get $bias)))
      (local.set $c2l (v128.load32_splat offset=8 (local.get $bias)))
      (local.set $c2r (v128.load32_splat offset=8 (local.get $bias)))
      (local.set $c3l (v128.load32_splat offset=12 (local.get $bias)))
      (local.set $c3r (v128.load32_splat offset=12 (local.get $bias)))
      (local.set $left (local.get $k))
      (local.set $from (local.get $b))
      (loop $next
        (local.set $bl (v128.load (local.get $from)))
        (local.set $br (v128.load offset=16 (local.get $from)))
        (local.set $w (v128.load32_splat (local.get $a)))
        (local.set $c0l (f32x4.add (f32x4.mul (local.get $w) (local.get $bl)) (local.get $c0l)))
        (local.set $c0r (f32x4.add (f32x4.mul (local.get $w) (local.get $br)) (local.get $c0r)))
        (local.set $w (v128.load32_splat offset=4 (local.get $a)))
        (local.set $c1l (f32x4.add (f32x4.mul (local.get $w) (local.get $bl)) (local.get $c1l)))
        (local.set $c1r (f32x4.add (f32x4.mul (local.get $w) (local.get $br)) (local.get $c1r)))
        (local.set $w (v128.load32_splat offset=8 (local.get $a)))
        (local.set $c2l (f32x4.add (f32x4.mul (local.get $w) (local.get $bl)) (local.get $c2l)))
        (local.set $c2r (f32x4.add (f32x4.mul (local.get $w) (local.get $br)) (local.get $c2r)))
        (local.set $w (v128.load32_splat offset=12 (local.get $a)))
        (local.set $c3l (f32x4.add (f32x4.mul (local.get $w) (local.get $bl)) (local.get $c3l)))
        (local.set $c3r (f32x4.add (f32x4.mul (local.get $w) (local.get $br)) (local.get $c3r)))
        (local.set $a (i32.add (local.get $a) (i32.const 16)))
        (local.set $from (i32.add (local.get $from) (i32.const 32)))
        (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (v128.store (local.get $to) (local.get $c0l))
      (v128.store offset=16 (local.get $to) (local.get $c0r))
      (local.set $to (i32.add (local.get $to) (local.get $row)))
      (v128.store (local.get $to) (local.get $c1l))
      (v128.store offset=16 (local.get $to) (local.get $c1r))
      (local.set $to (i32.add (local.get $to) (local.get $row)))
      (v128.store (local.get $to) (local.get $c2l))
      (v128.store offset=16 (local.get $to) (local.get $c2r))
      (local.set $to (i32.add (local.get $to) (local.get $row)))
      (v128.store (local.get $to) (local.get $c3l))
      (v128.store offset=16 (local.get $to) (local.get $c3r))
      (local.set $to (i32.add (local.get $to) (local.get $row)))
      (local.set $bias (i32.add (local.get $bias) (i32.const 16)))
      (br_if $panel (local.tee $panels (i32.sub (local.get $panels) (i32.const 1))))))

  ;; Eight columns of B, [k][8]: column j holds what lies at `p`j + offset, for each of the k offsets.
  (func (export "pack")
      (param $to i32) (param $offsets i32) (param $k i32)
      (param $p0 i32) (param $p1 i32) (param $p2 i32) (param $p3 i32) (param $p4 i32) (param $p5 i32) (param $p6 i32) (param $p7 i32)
    (local $at i32)
    (loop $next
      (local.set $at (i32.load (local.get $offsets)))
      (f32.store (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p0))))
      (f32.store offset=4 (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p1))))
      (f32.store offset=8 (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p2))))
      (f32.store offset=12 (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p3))))
      (f32.store offset=16 (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p4))))
      (f32.store offset=20 (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p5))))
      (f32.store offset=24 (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p6))))
      (f32.store offset=28 (local.get $to) (f32.load (i32.add (local.get $at) (local.get $p7))))
      (local.set $to (i32.add (local.get $to) (i32.const 32)))
      (local.set $offsets (i32.add (local.get $offsets) (i32.const 4)))
      (br_if $next (local.tee $k (i32.sub (local.get $k) (i32.const 1))))))

  ;; The same where the eight columns are neighbours: `pack` with p0, p0 + 4, p0 + 8 and so on.
  (func (export "pack_row") (param $to i32) (param $offsets i32) (param $k i32) (param $p i32)
    (local $at i32)
    (loop $next
      (local.set $at (i32.add (local.get $p) (i32.load (local.get $offsets))))
      (v128.store (local.get $to) (v128.load (local.get $at)))
      (v128.store offset=16 (local.get $to) (v128.load offset=16 (local.get $at)))
      (local.set $to (i32.add (local.get $to) (i32.const 32)))
      (local.set $offsets (i32.add (local.get $offsets) (i32.const 4)))
      (br_if $next (local.tee $k (i32.sub (local.get $k) (i32.const 1))))))

  ;; The way back of `pack`, one column at a time: every eighth number from `from` on is added to what lies at `p` + offset.
  (func (export "unpack") (param $from i32) (param $offsets i32) (param $k i32) (param $p i32)
    (local $at i32)
    (loop $next
      (local.set $at (i32.add (local.get $p) (i32.load (local.get $offsets))))
      (f32.store (local.get $at) (f32.add (f32.load (local.get $at)) (f32.load (local.get $from))))
      (local.set $from (i32.add (local.get $from) (i32.const 32)))
      (local.set $offsets (i32.add (local.get $offsets) (i32.const 4)))
      (br_if $next (local.tee $k (i32.sub (local.get $k) (i32.const 1))))))

  ;; The way back of `pack_row`: eight neighbours at once.
  (func (export "unpack_row") (param $from i32) (param $offsets i32) (param $k i32) (param $p i32)
    (local $at i32)
    (loop $next
      (local.set $at (i32.add (local.get $p) (i32.load (local.get $offsets))))
      (v128.store (local.get $at) (f32x4.add (v128.load (local.get $at)) (v128.load (local.get $from))))
      (v128.store offset=16 (local.get $at) (f32x4.add (v128.load offset=16 (local.get $at)) (v128.load offset=16 (local.get $from))))
      (local.set $from (i32.add (local.get $from) (i32.const 32)))
      (local.set $offsets (i32.add (local.get $offsets) (i32.const 4)))
      (br_if $next (local.tee $k (i32.sub (local.get $k) (i32.const 1))))))

  ;; `times` as much of one row is added to another, `fours` times four numbers.
  (func (export "add_times") (param $to i32) (param $from i32) (param $times f32) (param $fours i32)
    (local $c v128)
    (loop $next
      (local.set $c (v128.load (local.get $to)))
      (v128.store (local.get $to) (f32x4.add (f32x4.mul (v128.load (local.get $from)) (f32x4.splat (local.get $times))) (local.get $c)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $next (local.tee $fours (i32.sub (local.get $fours) (i32.const 1))))))

  ;; y = A x + bias, row by row. A row of A, and x, are `k` fours of numbers.
  (func (export "products")
      (param $a i32) (param $x i32) (param $k i32) (param $rows i32) (param $y i32) (param $bias i32)
    (local $left i32) (local $from i32) (local $c v128)
    (loop $row
      (local.set $c (v128.load32_zero (local.get $bias)))
      (local.set $left (local.get $k))
      (local.set $from (local.get $x))
      (loop $next
        (local.set $c (f32x4.add (f32x4.mul (v128.load (local.get $a)) (v128.load (local.get $from))) (local.get $c)))
        (local.set $a (i32.add (local.get $a) (i32.const 16)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (f32.store (local.get $y)
        (f32.add
          (f32.add (f32x4.extract_lane 0 (local.get $c)) (f32x4.extract_lane 1 (local.get $c)))
          (f32.add (f32x4.extract_lane 2 (local.get $c)) (f32x4.extract_lane 3 (local.get $c)))))
      (local.set $y (i32.add (local.get $y) (i32.const 4)))
      (local.set $bias (i32.add (local.get $bias) (i32.const 4)))
      (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1))))))

  ;; max(x, 0), `fours` times four numbers.
  (func (export "rectify") (param $from i32) (param $to i32) (param $fours i32)
    (loop $next
      (v128.store (local.get $to) (f32x4.max (v128.load (local.get $from)) (v128.const f32x4 0 0 0 0)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $next (local.tee $fours (i32.sub (local.get $fours) (i32.const 1))))))

  ;; The larger of two numbers, `fours` times four of them.
  (func (export "larger") (param $a i32) (param $b i32) (param $to i32) (param $fours i32)
    (loop $next
      (v128.store (local.get $to) (f32x4.max (v128.load (local.get $a)) (v128.load (local.get $b))))
      (local.set $a (i32.add (local.get $a) (i32.const 16)))
      (local.set $b (i32.add (local.get $b) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $next (local.tee $fours (i32.sub (local.get $fours) (i32.const 1)))))))

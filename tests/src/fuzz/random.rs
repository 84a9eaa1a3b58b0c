//! Repeatable random choices.

/// A generator of random numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator that starts from `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; zero if `n` is zero.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(n).unwrap_or(u64::MAX).max(1)).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `items`.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of `items`, if there are any.
    pub fn pick_mut<'a, T>(&mut self, items: &'a mut [T]) -> Option<&'a mut T> {
        let at = self.below(items.len());
        items.get_mut(at)
    }

    /// An integer: mostly small, sometimes at a limit.
    pub fn integer(&mut self) -> i64 {
        const LIMITS: [i64; 12] = [
            i64::MIN,
            i64::MAX,
            i64::MIN + 1,
            -(1 << 31),
            1 << 31,
            (1 << 31) - 1,
            1 << 32,
            1 << 40,
            1 << 62,
            65_536,
            1_000_003,
            255,
        ];
        match self.below(10) {
            0 => *self.pick(&LIMITS),
            1 => -i64::try_from(self.below(6)).unwrap_or(0),
            _ => i64::try_from(self.below(6)).unwrap_or(0),
        }
    }

    /// A float: mostly ordinary, sometimes special.
    pub fn float(&mut self) -> f32 {
        const SPECIAL: [f32; 8] =
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MIN_POSITIVE, f32::MAX, 1e-40];
        if self.one_in(4) { *self.pick(&SPECIAL) } else { self.below(2000) as f32 / 100.0 - 10.0 }
    }
}

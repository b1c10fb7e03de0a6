//! Numbers that look random and are the same for the same seed.

/// A splitmix64 generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// An index below `end`.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }

    /// Whether a thing happens that happens once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, E>(&mut self, from: &'a [E]) -> &'a E {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

/// The seeds of a random test: a few fixed ones, or the one in `SOLON_SEED`.
pub fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SOLON_SEED") {
        Ok(seed) => vec![seed.parse().expect("SOLON_SEED is a number")],
        Err(_) => (1..=count).collect(),
    }
}

/// Says how to repeat a seed, if the test fails while this lives.
pub struct Repeat {
    pub test: &'static str,
    pub seed: u64,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, seed } = self;
            eprintln!("repeat with: SOLON_SEED={seed} cargo test --test it {test}");
        }
    }
}

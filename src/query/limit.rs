//! What a variable may be: what it is bound to already, asked once for each value that is read.

use std::rc::Rc;

use super::cell::Cell;

/// How many bits a cell may take in a bitmap.
const BITS_OF_A_CELL: u64 = 64;

/// The cells that a variable may be.
pub(super) struct Limit {
    /// Ascending.
    cells: Rc<[Cell]>,
    /// Ids of one collection lie near each other: a bit for each of them, from the first.
    bits: Vec<u64>,
}

impl Limit {
    /// These cells, which ascend.
    pub(super) fn of(cells: Rc<[Cell]>) -> Self {
        let mut limit = Self {
            cells,
            bits: Vec::new(),
        };
        let last = limit.cells.last().and_then(|cell| limit.place(*cell));
        let room = u64::try_from(limit.cells.len()).unwrap_or(u64::MAX);
        let Some(last) = last.filter(|last| *last < room.saturating_mul(BITS_OF_A_CELL)) else {
            return limit;
        };
        let words = usize::try_from(last / 64).unwrap_or(usize::MAX);
        let mut bits = vec![0_u64; words.saturating_add(1)];
        for cell in limit.cells.iter() {
            if let Some(place) = limit.place(*cell)
                && let Some(word) = word_of(place).and_then(|word| bits.get_mut(word))
            {
                *word |= 1 << (place % 64);
            }
        }
        limit.bits = bits;
        limit
    }

    /// Whether a cell is among them.
    pub(super) fn has(&self, cell: Cell) -> bool {
        if self.bits.is_empty() {
            return self.cells.binary_search(&cell).is_ok();
        }
        let place = self.place(cell);
        place.is_some_and(|place| {
            let word = word_of(place).and_then(|word| self.bits.get(word));
            word.is_some_and(|word| word & (1 << (place % 64)) != 0)
        })
    }

    /// How far a cell stands behind the first.
    fn place(&self, cell: Cell) -> Option<u64> {
        cell.places_behind(*self.cells.first()?)
    }
}

fn word_of(place: u64) -> Option<usize> {
    usize::try_from(place / 64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::cell::Cells;

    #[test]
    fn a_limit_has_its_cells_and_no_other_near_or_far() {
        let mut cells = Cells::default();
        for numbers in [
            vec![],
            vec![7],
            vec![-3, -1, 0, 64, 65],
            vec![5, 1_000_000_000_000],
            (0..200).step_by(3).collect(),
        ] {
            let among: Vec<Cell> = numbers.iter().map(|it| cells.whole(*it)).collect();
            let limit = Limit::of(among.into());
            for number in -70..300 {
                let has = limit.has(cells.whole(number));
                assert_eq!(has, numbers.contains(&number), "{number} in {numbers:?}");
            }
            assert!(!limit.has(Cell::NULL));
            let far = cells.whole(1_000_000_000_000);
            assert_eq!(limit.has(far), numbers.contains(&1_000_000_000_000));
        }
    }
}

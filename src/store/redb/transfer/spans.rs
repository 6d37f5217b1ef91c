//! Numbers that come in order, by where they begin and end: few, however many numbers there are.

/// Numbers that are known.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// Adds a number that is larger than all before.
    pub(super) fn push(&mut self, number: u64) {
        match self.0.last_mut() {
            Some((_, last)) if number.checked_sub(1) == Some(*last) => *last = number,
            _ => self.0.push((number, number)),
        }
    }

    /// Whether it was added.
    pub(super) fn has(&self, number: u64) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < number);
        self.0.get(at).is_some_and(|(first, _)| *first <= number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_and_nothing_else() {
        let mut spans = Spans::default();
        assert!(!spans.has(0));
        let numbers = [0, 1, 2, 5, 7, 8, u64::MAX];
        for number in numbers {
            spans.push(number);
        }
        for number in (0..12).chain([u64::MAX - 1, u64::MAX]) {
            assert_eq!(spans.has(number), numbers.contains(&number), "{number}");
        }
        assert_eq!(spans.0.len(), 4);
    }
}

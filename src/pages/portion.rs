//! A part of a long list, so that no page is long.

/// What is shown of a list.
pub(super) struct Portion<T> {
    pub(super) shown: Vec<T>,
    /// Where the next part begins, if there is one.
    pub(super) next: Option<usize>,
}

impl<T> Portion<T> {
    /// `most` of `all`, from the place that a query names; from the first where it names none.
    pub(super) fn of(all: Vec<T>, from: &str, most: usize) -> Self {
        let from = from.parse().unwrap_or(0_usize);
        let end = from.saturating_add(most);
        let next = (all.len() > end).then_some(end);
        Self { shown: all.into_iter().skip(from).take(most).collect(), next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_list_is_in_one_part_of_it() {
        for length in [0, 1, 2, 3, 4, 5] {
            let all: Vec<_> = (0..length).collect();
            let mut seen = Vec::new();
            let mut from = String::new();
            loop {
                let Portion { shown, next } = Portion::of(all.clone(), &from, 2);
                assert!(shown.len() <= 2 && (shown.is_empty() == all.is_empty()), "{from}");
                seen.extend(shown);
                let Some(next) = next else { break };
                from = next.to_string();
            }
            assert_eq!(seen, all);
        }
    }

    #[test]
    fn a_place_that_is_none_is_the_first_or_behind_the_last() {
        for (from, wanted) in [("x", 2), ("-1", 2), ("", 2), ("3", 0), ("18446744073709551615", 0)]
        {
            let Portion { shown, next } = Portion::of(vec![1, 2, 3], from, 2);
            assert_eq!((shown.len(), next.is_some()), (wanted, wanted > 0), "{from}");
        }
    }
}

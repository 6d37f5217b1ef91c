//! The word that was meant.

/// The known word that `typed` is a slip of, if one is near enough to be worth naming.
pub(super) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = known.into_iter().map(|word| (distance(typed, word), word));
    let (slips, word) = near.min_by_key(|(slips, _)| *slips)?;
    let few = slips <= 2 || slips * 3 <= typed.chars().count();
    // Half a short word is another word.
    (few && slips * 2 <= word.chars().count()).then_some(word)
}

/// Levenshtein's distance, with case ignored; one row of the table at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, sign) in a.to_lowercase().chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (other, pair) in b.iter().zip(row.windows(2)) {
            let [diagonal, above] = pair else { break };
            let swapped = diagonal + usize::from(sign != *other);
            left = swapped.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// The end of a message on an unknown name.
pub(super) fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(typed, known).map(|word| format!("did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = ["timeout", "to", "allow", "body", "credential"];
        assert_eq!(nearest("timout", known), Some("timeout"));
        assert_eq!(nearest("Allow", known), Some("allow"));
        assert_eq!(nearest("credentials", known), Some("credential"));
        assert_eq!(nearest("websocket", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn distance_counts_slips() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}

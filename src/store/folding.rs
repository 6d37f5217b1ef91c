//! When two texts are one to a reader: the foldings by which names and addresses are compared.

use unicode_security::skeleton;

/// The text without its case, for comparing only: each sign to upper and then to lower case, so
/// that `ẞ`, `ß` and `ss` are one, as are the two small sigmas.
///
/// ```
/// use portcullis::store::fold_case;
///
/// assert_eq!(fold_case("Ada@Example.COM"), fold_case("ada@example.com"));
/// assert_eq!(fold_case("STRASSE"), fold_case("straße"));
/// assert_ne!(fold_case("ada"), fold_case("adá"));
/// ```
pub fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The looks of a name: two names of which any look is the same can be taken for each other.
///
/// A look is the skeleton of Unicode's confusables (UTS 39 section 4), in one case. `Ivan` looks
/// like `lvan` as it is written and like `ivan` where case does not count, so it may have two.
///
/// ```
/// use portcullis::store::looks;
///
/// let alike = |one, other| looks(one).iter().any(|look| looks(other).contains(look));
/// assert!(alike("paypal", "раураl"), "the second is Cyrillic, but for its last letter");
/// assert!(alike("mary", "rnary") && alike("Ivan", "lvan") && alike("Ivan", "IVAN"));
/// assert!(!alike("ada", "eve"));
/// ```
pub fn looks(name: &str) -> Vec<String> {
    let look = |text: &str| fold_case(&skeleton(text).collect::<String>());
    let (written, folded) = (look(name), look(&fold_case(name)));
    if written == folded { vec![folded] } else { vec![written, folded] }
}

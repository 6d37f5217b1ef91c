//! What is wrong with a field, in the words of the original.

use super::*;

fn check(field: &Field, sent: Option<&str>) -> Result<Option<String>, Vec<String>> {
    field.check(sent.map(|text| Value::Text(text.to_owned())), 10)
}

fn told(checked: Result<Option<String>, Vec<String>>) -> Vec<String> {
    checked.unwrap_err()
}

const TEXT: Field = Field::new("x", "X", Rule::Text);
const UNTRIMMED: Field = Field::new("x", "X", Rule::Untrimmed);
const PASSWORD: Field = Field::new("x", "X", Rule::NewPassword);
const EMAIL: Field = Field::new("x", "X", Rule::Email).optional();

#[test]
fn a_required_field_is_there_and_says_something() {
    assert_eq!(told(check(&TEXT, None)), [REQUIRED]);
    assert_eq!(told(TEXT.check(Some(Value::Null), 10)), [NULL]);
    assert_eq!(told(TEXT.check(Some(Value::Other), 10)), [NO_TEXT]);
    for blank in ["", "  ", "\t", "\u{a0}", "\u{3000} ", "\u{1f}"] {
        assert_eq!(told(check(&TEXT, Some(blank))), [BLANK], "{blank:?}");
    }
    assert_eq!(told(check(&TEXT, Some("a\0b"))), [NUL]);
    assert_eq!(check(&TEXT, Some(" a b\n")), Ok(Some("a b".to_owned())));
}

#[test]
fn an_untrimmed_field_keeps_its_spaces() {
    assert_eq!(check(&UNTRIMMED, Some(" a ")), Ok(Some(" a ".to_owned())));
    assert_eq!(check(&UNTRIMMED, Some(" ")), Ok(Some(" ".to_owned())));
    assert_eq!(told(check(&UNTRIMMED, Some(""))), [BLANK]);
}

#[test]
fn an_address_may_be_left_out_or_blank_but_not_null() {
    assert_eq!(check(&EMAIL, None), Ok(None));
    assert_eq!(check(&EMAIL, Some(" ")), Ok(Some(String::new())));
    assert_eq!(told(EMAIL.check(Some(Value::Null), 10)), [NULL]);
    assert_eq!(told(EMAIL.check(Some(Value::Other), 10)), [NO_ADDRESS]);
    assert_eq!(told(check(&EMAIL, Some("5"))), [NO_ADDRESS]);
}

#[test]
fn roles_come_as_a_list_or_as_words() {
    const ROLES: Field = Field::new("x", "X", Rule::Roles).optional();
    let list = |items: &[&str]| {
        ROLES.check(Some(Value::List(items.iter().map(ToString::to_string).collect())), 10)
    };
    assert_eq!(list(&["a", " team:b "]), Ok(Some("a team:b".to_owned())));
    assert_eq!(list(&[]), Ok(Some(String::new())));
    assert_eq!(check(&ROLES, Some(" a  b ")), Ok(Some("a b".to_owned())));
    assert_eq!(check(&ROLES, Some("")), Ok(Some(String::new())));
    assert_eq!(check(&ROLES, None), Ok(None));
    for bad in [&["a b"][..], &["a", ""], &["A"], &["a,b"], &["*"]] {
        assert_eq!(told(list(bad)), [NO_ROLE], "{bad:?}");
    }
    assert_eq!(told(check(&ROLES, Some("a,b"))), [NO_ROLE]);
    assert_eq!(told(ROLES.check(Some(Value::Null), 10)), [NULL]);
    assert_eq!(told(ROLES.check(Some(Value::Other), 10)), [NO_ROLE]);
    // It is a text nowhere else.
    assert_eq!(told(TEXT.check(Some(Value::List(Vec::new())), 10)), [NO_TEXT]);
    assert_eq!(told(EMAIL.check(Some(Value::List(Vec::new())), 10)), [NO_ADDRESS]);
}

#[test]
fn seconds_are_whole_and_more_than_none() {
    const SECONDS: Field = Field::new("x", "X", Rule::Seconds).optional();
    assert_eq!(check(&SECONDS, Some("60")), Ok(Some("60".to_owned())));
    let most = u64::MAX.to_string();
    assert_eq!(check(&SECONDS, Some(&"9".repeat(30))), Ok(Some(most)));
    for bad in ["1.5", "1e3", "60s", "+1", "0x1", "--1", "-", "\u{661}"] {
        assert_eq!(told(check(&SECONDS, Some(bad))), [NO_NUMBER], "{bad}");
    }
    for few in ["0", "-1", "00"] {
        assert_eq!(told(check(&SECONDS, Some(few))), [TOO_LITTLE], "{few}");
    }
    assert_eq!(told(SECONDS.check(Some(Value::Other), 10)), [NO_NUMBER]);
}

#[test]
fn a_password_is_measured_in_characters() {
    assert!(check(&PASSWORD, Some(&"ж".repeat(10))).is_ok());
    let long = "Ensure this field has no more than 10 characters.";
    assert_eq!(told(check(&PASSWORD, Some(&"ж".repeat(11)))), [long]);
    assert_eq!(told(check(&PASSWORD, Some(&"a\0".repeat(6)))), [long, NUL]);
}

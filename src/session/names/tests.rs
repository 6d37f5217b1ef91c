//! Which names and addresses may be taken, and which look alike.

use proptest::prelude::*;

use super::*;

fn told<T: ToString>(checked: Result<String, Vec<T>>) -> Vec<String> {
    checked.unwrap_err().iter().map(ToString::to_string).collect()
}

const SIGNS: &str = "Enter a valid username. This value may contain only letters, numbers, \
                     and @/./+/-/_ characters.";

#[test]
fn usernames_of_every_script_are_fine() {
    for name in [
        "johndoe",
        "x",
        "Zoë",
        "ユーザー",
        "Łukasz",
        "1.a+b-c_d@e",
        "_a",
        "a١٢",
        "a@example.com",
        "-a-",
        "aΩ",
        "名a",
        "Дмитрий",
        "ÇELİK",
        "007",
        "ª",
        "한글",
    ] {
        assert_eq!(check_username(name), Ok(normalize_username(name)), "{name}");
    }
    assert_eq!(check_username("  johndoe\u{a0}\n"), Ok("johndoe".to_owned()));
    assert_eq!(check_username("ｗｉｄｅ²"), Ok("wide2".to_owned()), "stored in NFKC");
}

#[test]
fn other_signs_are_no_username() {
    for name in [
        "john doe",
        "a/b",
        "a\nb",
        "a!",
        "a#",
        "<a>",
        "🔑a",
        "a\\",
        "a:b",
        "a,b",
        "a\"x",
        "a%x",
        "(a)",
        "a~",
        "a&x",
        "¡a",
        "–a",
        "😀",
        "",
        "  ",
        "हिन्दी",
        "e\u{301}",
        "Ⓐ",
        "a\u{200d}b",
        "a\u{1b}b",
        "ﷺ",
    ] {
        assert_eq!(told(check_username(name)), [SIGNS], "{name:?}");
    }
}

#[test]
fn a_username_is_told_all_its_faults_in_order() {
    const LONG: &str = "Ensure this field has no more than 150 characters.";
    const NULL: &str = "Null characters are not allowed.";
    assert!(check_username(&"ж".repeat(150)).is_ok(), "characters, not bytes");
    assert_eq!(told(check_username(&"u".repeat(151))), [LONG]);
    assert_eq!(told(check_username(&"!".repeat(151))), [SIGNS, LONG]);
    assert_eq!(told(check_username("a\0x")), [SIGNS, NULL]);
    assert_eq!(told(check_username(&"\0".repeat(151))), [SIGNS, LONG, NULL]);
    assert_eq!(told(check_username(&"ﬃ".repeat(51))), [LONG], "153 as stored");
}

#[test]
fn addresses_that_django_takes() {
    for address in [
        "a@example.com",
        "first.last+a@sub.example.co.uk",
        "a@localhost",
        "o'neil-a@example.org",
        "a@b-c.example",
        "x_y={a}@example.museum",
        "\"quoted\"@example.com",
        "a@[127.0.0.1]",
        "\"a\\ b\"@example.com",
        "a@[::1]",
        "a@xn--bcher-kva.example",
        "a@bücher.example",
        "a@example.xn--p1ai",
        "a@例え.テスト",
        "!#$%&'*+-/=?^_`{|}~@a.bc",
        "a@1.example",
    ] {
        assert_eq!(check_email(address), Ok(address.to_owned()), "{address}");
    }
    assert_eq!(check_email("  MiXed@EXAMPLE.Com "), Ok("MiXed@example.com".to_owned()));
}

#[test]
fn addresses_that_django_refuses() {
    for address in [
        "",
        "nope",
        "a@b",
        "@example.com",
        "a@",
        "a b@example.com",
        "a@@example.com",
        "a@example..com",
        "a@-example.com",
        ".a@example.com",
        "a@exa_mple.com",
        "a@.com",
        "a@b.c",
        "a@exam ple.com",
        "a@example,com",
        "a.@example.com",
        "a@example.com>",
        "a@-b-.com",
        "a@b@c.com",
        "a@example.com.",
        "a@example.c0m",
        "a@[127.0.0.01]",
        "a@[x]",
        "a@LOCALHOST",
        "zoë@example.com",
        "\"a b\"@example.com",
        "\"a\"b\"@example.com",
        "\"@example.com",
        "a@example.xn--",
        "a@example.xn--p1-i",
        "a\r\nb@example.com",
        "a@exa\u{3000}mple.com",
        "5",
        "1.5",
    ] {
        assert_eq!(told(check_email(address)), ["Enter a valid email address."], "{address:?}");
    }
    let label = format!("a@{}.com", "b".repeat(64));
    assert_eq!(check_email(&label), Err(vec![EmailFault::Shape]));
}

#[test]
fn an_address_is_told_all_its_faults_in_order() {
    let of = |length: usize| format!("{}@example.com", "a".repeat(length - 12));
    assert!(check_email(&of(254)).is_ok());
    assert_eq!(told(check_email(&of(255))), ["Ensure this field has no more than 254 characters."]);
    assert_eq!(check_email(&of(320)), Err(vec![EmailFault::Long]));
    assert_eq!(check_email(&of(321)), Err(vec![EmailFault::Long, EmailFault::Shape]));
    assert_eq!(check_email("a\0@example.com"), Err(vec![EmailFault::Null, EmailFault::Shape]));
}

#[test]
fn every_space_of_python_is_trimmed() {
    let spaces = "\t\n\u{b}\u{c}\r\u{1c}\u{1d}\u{1e}\u{1f} \u{85}\u{a0}\u{1680}\u{2000}\u{200a}\
                  \u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
    assert_eq!(trim(&format!("{spaces}a b{spaces}")), "a b");
    assert_eq!(trim("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}", "no spaces to Python");
}

proptest! {
    /// What is stored is found again, is a username itself, and has nothing to trim.
    #[test]
    fn a_stored_name_stands_for_itself(raw in any::<String>()) {
        if let Ok(stored) = check_username(&raw) {
            prop_assert_eq!(check_username(&stored), Ok(stored.clone()));
            prop_assert_eq!(normalize_username(&stored), stored);
        }
    }

    #[test]
    fn a_stored_address_stands_for_itself(user in "[a-z.\"@ ]{1,8}", domain in "\\PC{0,12}") {
        if let Ok(stored) = check_email(&format!("{user}@{domain}.Example")) {
            let again = check_email(&stored);
            prop_assert_eq!(again, Ok(stored));
        }
    }
}

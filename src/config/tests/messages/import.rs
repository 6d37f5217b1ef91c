//! What is said of `[import]`.

use super::*;

const NO_ROLE: &str = "` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`";

#[test]
fn roles_of_those_who_come() {
    for (text, place, name) in [
        ("[import.roles]\nis_staff = \"Admin\"", "2:12", "Admin"),
        ("[import.roles]\nis_superuser = [\"admin\", \"a b\"]", "2:26", "a b"),
        ("[import.roles]\nis_staff = \"\"", "2:12", ""),
        ("[import.groups]\nEditors = \"role:editor,x\"", "2:11", "role:editor,x"),
        ("[import.groups]\n\"Portal Admins\" = [\"ok\", \"É\"]", "2:26", "É"),
    ] {
        says(text, &format!("{place}: `{name}{NO_ROLE}"));
    }
    let long = "r".repeat(65);
    says(&format!("[import.groups]\na = \"{long}\""), &format!("2:5: `{long}{NO_ROLE}"));
}

#[test]
fn keys_of_import() {
    says_in(
        "[import]",
        &[
            ("role = 1", "2:1: unknown key `role`; did you mean `roles`?"),
            ("group = {}", "2:1: unknown key `group`; did you mean `groups`?"),
        ],
    );
    let text = "must be a text in quotes";
    for (table, line, place, key) in [
        ("groups", "Editors = 5", "2:11", "Editors"),
        ("groups", "Editors = ['a', 5]", "2:17", "Editors"),
        ("roles", "is_staff = true", "2:12", "is_staff"),
    ] {
        says(&format!("[import.{table}]\n{line}"), &format!("{place}: `{key}` {text}"));
    }
    says(
        "[import.roles]\nis_stuff = \"a\"",
        "2:1: unknown key `is_stuff`; did you mean `is_staff`?",
    );
}

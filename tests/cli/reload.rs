//! The policy file of a gateway that runs: read again when asked and when it changes.

use crate::harness::{Folder, Gateway};

fn policy(allow: &str) -> String {
    format!(
        "[upstreams]\necho = {{ whoami = true }}\n\
         [routes]\n\"/a\" = {{ to = \"echo\", allow = \"{allow}\" }}\n[admin]\nwatch = false\n"
    )
}

/// A gateway that lets nobody in without a token.
fn start() -> (Folder, Gateway) {
    let folder = Folder::new();
    folder.write("portcullis.toml", &policy("user"));
    let gateway = folder.serve();
    assert_eq!(status(&gateway), "401");
    (folder, gateway)
}

fn status(gateway: &Gateway) -> String {
    let answer = gateway.ask("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_command_puts_the_file_in_force() {
    let (folder, gateway) = start();
    folder.write("portcullis.toml", &policy("anyone"));
    assert_eq!(status(&gateway), "401", "nobody has asked");
    let done = folder.run(&["reload"]).done();
    assert_eq!(done, "the policy file is in force\n");
    assert_eq!(status(&gateway), "200");
    folder.write("portcullis.toml", &format!("workers = 3\n{}", policy("user")));
    let done = folder.run(&["reload", "--json"]).done();
    assert_eq!(
        done.split_whitespace().collect::<String>(),
        r#"{"warnings":[],"at_next_start":["workers"]}"#
    );
    assert_eq!(status(&gateway), "401");
    let record = folder.run(&["audit", "tail", "-n", "50"]).done();
    assert_eq!(record.matches("config.loaded").count(), 2, "{record}");
}

/// With line and column, in the answer and in the log; the earlier one stands.
#[test]
fn a_file_with_a_mistake_changes_nothing() {
    let (folder, mut gateway) = start();
    folder.write("portcullis.toml", &policy("anyone").replace("\"echo\"", "\"ecco\""));
    let told = "portcullis.toml:4:15: there is no upstream `ecco`; did you mean `echo`?";
    let refused = folder.run(&["reload"]).failed(1);
    assert!(refused.contains(told), "{refused}");
    assert!(gateway.log_line("not reloaded").contains(told));
    gateway.signal("HUP");
    assert!(gateway.log_line("not reloaded").contains(told));
    let failing = format!("expect = [\"anyone GET /a -> 401\"]\n{}", policy("anyone"));
    folder.write("portcullis.toml", &failing);
    let refused = folder.run(&["reload"]).failed(1);
    assert!(refused.contains("portcullis.toml:1:11: expected"), "{refused}");
    std::fs::remove_file(folder.file("portcullis.toml")).unwrap();
    gateway.signal("HUP");
    assert!(gateway.log_line("not reloaded").contains("portcullis.toml"));
    assert_eq!(status(&gateway), "401");
}

/// Whoever writes it in place empties it first, and may find no room then.
#[test]
fn an_empty_file_changes_nothing() {
    let (folder, mut gateway) = start();
    for text in ["", "\n \n"] {
        folder.write("portcullis.toml", text);
        gateway.signal("HUP");
        assert!(gateway.log_line("not reloaded").contains("portcullis.toml: the file is empty"));
        assert_eq!(status(&gateway), "401");
    }
}

#[test]
fn so_does_a_hangup() {
    let (folder, mut gateway) = start();
    folder.write("portcullis.toml", &policy("anyone"));
    gateway.signal("HUP");
    gateway.log_line("the policy file is in force");
    assert_eq!(status(&gateway), "200");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

/// Also where a link is turned to another file, as a cluster does with its configuration.
#[test]
fn a_watched_file_is_in_force_when_it_has_changed() {
    let folder = Folder::new();
    let watched = |allow| policy(allow).replace("watch = false", "watch = true");
    for allow in ["user", "anyone"] {
        folder.write(allow, &watched(allow));
    }
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, folder.file("next")).unwrap();
        std::fs::rename(folder.file("next"), folder.file("portcullis.toml")).unwrap();
    };
    link("user");
    let mut gateway = folder.serve();
    assert_eq!(status(&gateway), "401");
    link("anyone");
    gateway.log_line("the policy file has changed");
    gateway.log_line("the policy file is in force");
    assert_eq!(status(&gateway), "200");
    folder.write("anyone", "nothing");
    gateway.log_line("not reloaded");
    assert_eq!(status(&gateway), "200");
    folder.write("anyone", &watched("user"));
    gateway.log_line("the policy file is in force");
    assert_eq!(status(&gateway), "401");
}

#[test]
fn a_policy_that_nobody_confirms_goes_away() {
    let (folder, mut gateway) = start();
    folder.write("portcullis.toml", &policy("anyone"));
    let done = folder.run(&["reload", "--confirm", "1s"]).done();
    assert!(done.contains("for now"), "{done}");
    gateway.log_line("nobody confirmed the policy");
    assert_eq!(status(&gateway), "401");
    let refused = folder.run(&["reload", "--keep"]).failed(1);
    assert!(refused.contains("no policy waits to be confirmed"), "{refused}");
}

/// Whoever tries it out has all night, but its users have not.
#[test]
fn a_policy_on_trial_that_does_harm_goes_at_once() {
    let folder = Folder::new();
    folder.write("portcullis.toml", &policy("anyone"));
    let mut gateway = folder.serve();
    (0..30).for_each(|_| assert_eq!(status(&gateway), "200"));
    folder.write("portcullis.toml", &policy("user"));
    folder.run(&["reload", "--confirm", "1h"]).done();
    (0..20).for_each(|_| assert_eq!(status(&gateway), "401"));
    let told = gateway.log_line("the policy does harm");
    assert!(told.contains("401 and 403 are 100 % of 20 requests, and were 0 % before"), "{told}");
    assert_eq!(status(&gateway), "200");
    let refused = folder.run(&["reload", "--keep"]).failed(1);
    assert!(refused.contains("no policy waits to be confirmed"), "{refused}");
}

#[test]
fn one_that_is_confirmed_stays_and_one_that_is_taken_back_goes_at_once() {
    let (folder, mut gateway) = start();
    folder.write("portcullis.toml", &policy("anyone"));
    folder.run(&["reload", "--confirm", "1h"]).done();
    assert_eq!(status(&gateway), "200");
    // One after the other.
    let refused = folder.run(&["reload"]).failed(1);
    assert!(refused.contains("waits to be confirmed"), "{refused}");
    folder.run(&["reload", "--keep"]).done();
    folder.write("portcullis.toml", &policy("role:admin"));
    folder.run(&["reload", "--confirm", "1h"]).done();
    assert_eq!(status(&gateway), "401");
    // Whatever stands in the file by then.
    folder.write("portcullis.toml", "[routes]\n\"/a\" = { to = \"nobody\" }\n");
    folder.run(&["reload", "--back"]).done();
    assert_eq!(status(&gateway), "200");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    let nobody = folder.run(&["reload"]).failed(1);
    assert!(nobody.contains("no gateway answers"), "{nobody}");
    folder.run(&["reload", "--keep", "--back"]).failed(2);
    folder.run(&["reload", "--confirm", "soon"]).failed(2);
    folder.run(&["reload", "--confirm", "0s"]).failed(2);
}

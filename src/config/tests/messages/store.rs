//! `[store]`.

use super::*;

#[test]
fn a_store_is_a_file_or_a_database() {
    says(
        "store.path = 'a.redb'\nstore.postgres = { url = { env = 'DATABASE_URL' } }",
        "2:18: the store is a file or a database; remove this, or `path`",
    );
    says(
        "store.postgres = {}",
        "1:18: the database has no `url`; write postgres = { url = { env = \"DATABASE_URL\" } }",
    );
    says(
        "store.postgres = 'postgres://a@b/c'",
        "1:18: `postgres` must be a table, as config.example.toml shows",
    );
}

/// Whatever is wrong with it, nothing of the URL is told.
#[test]
fn what_is_no_url_of_a_database() {
    let form = "it must be \"postgres://user:password@host/database\"";
    for (url, fault) in [
        ("mysql://a:hunter2@b/c", "it does not begin with `postgres://`"),
        (
            "postgres://a:hunter2@b/c?sslmode=prefer",
            "its `sslmode` lets the connection go in clear; leave it out: the server's certificate \
             is always checked",
        ),
        (
            "postgres://a:hunter2@b/c?sslrootcert=d",
            "it has an `sslrootcert`; name that file as `ca` beside the URL instead",
        ),
        ("postgres://b/hunter2", "it has no user"),
        ("postgres://a:hunter2@b:c/d", "it cannot be read: invalid value for option `port`"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("url"), url).unwrap();
        let text = "store.postgres = { url = { file = 'url' } }\n";
        let refused = parse_at(dir.path(), text).unwrap_err().to_string();
        let told = format!("p.toml:1:26: `url` is none of a database, {form}: {fault}");
        assert_eq!(refused.lines().next(), Some(&*told), "{url}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn nothing_goes_in_clear_by_accident() {
    let with = |url: &str, keys: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("url"), url).unwrap();
        let text = format!("{ROUTE}store.postgres = {{ url = {{ file = 'url' }}{keys} }}\n");
        parse_at(dir.path(), &text).map(|checked| {
            checked.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })
    };
    let far = "postgres://a@db.example.com/c";
    assert_eq!(with(far, "").unwrap(), "");
    let told = with(far, ", danger_clear = true").unwrap();
    assert!(told.contains("everything goes to this database in clear"), "{told}");
    assert_eq!(with("postgres://a@127.0.0.1/c", ", danger_clear = true").unwrap(), "");
    for (url, keys) in
        [(far, ", danger_clear = true, ca = 'x.pem'"), ("postgres://a@%2Frun/c", ", ca = 'x.pem'")]
    {
        let refused = with(url, keys).unwrap_err().to_string();
        assert!(refused.contains("`ca` is about TLS, and this connection has none"), "{refused}");
    }
}

#[test]
fn how_old_the_memory_of_a_shared_store_may_be() {
    let form = "what others change is looked for each second; write \"2s\" to \"10m\"";
    for (time, column) in [("1s", 19), ("11m", 19)] {
        says(
            &format!("store.staleness = '{time}'"),
            &format!("1:{column}: `staleness` is out of its range: {form}"),
        );
    }
    says("store.when_stale = 'hope'", "1:20: `when_stale` must be \"refuse\" or \"serve\"");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("url"), "postgres://a@b/c").unwrap();
    let told = |store: &str| {
        let text = format!("{ROUTE}store = {{ staleness = '3s', when_stale = 'serve'{store} }}\n");
        let checked = parse_at(dir.path(), &text).unwrap();
        let freshness = checked.config.freshness;
        assert_eq!(freshness.staleness, Duration::from_secs(3));
        assert_eq!(freshness.when_stale, crate::token::WhenStale::Serve);
        checked.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(told("").contains("a file has one gateway"));
    let direct = ", postgres = { url = { file = 'url' }, direct = { file = 'url' } }";
    assert_eq!(told(direct), "");
    fs::write(dir.path().join("no-url"), "hunter2").unwrap();
    let text = "store.postgres = { url = { file = 'url' }, direct = { file = 'no-url' } }\n";
    let refused = parse_at(dir.path(), text).unwrap_err().to_string();
    assert!(refused.contains("`direct` is none of a database"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

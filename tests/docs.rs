//! What people read must agree with what runs: the tables of the pages against the sources and
//! the example configuration, and every policy on a page against the checker.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot read its subject has to fail"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use portcullis::Config;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages with something to check: the README, and those below `docs`, by name.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["docs", "docs/guide"] {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        let entries = entries.expect("the folder of pages");
        let found = entries
            .map(|entry| entry.expect("an entry").file_name())
            .filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"))
            .filter_map(|name| name.to_str().map(str::to_owned))
            .map(|name| format!("{folder}/{name}"));
        pages.extend(found);
    }
    assert!(pages.len() >= 10, "{pages:?}");
    pages.push("README.md".to_owned());
    pages.sort_unstable();
    pages
}

/// The blocks of a language on all pages.
fn all_blocks(language: &str) -> Vec<String> {
    pages().iter().flat_map(|page| blocks(&read(page), language)).collect()
}

/// The rows of a page's first table, cell by cell, without the table's head.
fn table(page: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let section = text.split("\n## ").next().expect("a section");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<Vec<String>> = rows
        .map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "no table in {page}");
    rows
}

/// What stands between the backticks of a cell.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The first column of a table: names in backticks, each once.
fn names(rows: &[Vec<String>], column: usize) -> BTreeSet<String> {
    let names: Vec<_> = rows.iter().flat_map(|row| quoted(&row[column])).collect();
    let set: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(set.len(), names.len(), "something is there twice: {names:?}");
    set
}

#[track_caller]
fn agree(page: &BTreeSet<String>, code: &BTreeSet<String>) {
    let missing: Vec<_> = code.difference(page).collect();
    let invented: Vec<_> = page.difference(code).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "the page lacks {missing:?} and has {invented:?}, which is not there"
    );
}

/// A key of `config.example.toml` under the name that the README has for it, with its value and
/// whether that is a default (and not an example).
struct Key {
    name: String,
    value: String,
    is_default: bool,
}

/// Every key of the example, those in comments too: `#key` is a key, `# text` is text.
fn example_keys() -> Vec<Key> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in read("config.example.toml").lines() {
        let off = line.starts_with('#');
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.starts_with([' ', '#', '-']) || line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            section = section_name(line);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value_of(value.trim()));
        match section.as_str() {
            // An entry of one line: its own name is the operator's, the keys inside are ours.
            "upstreams" | "routes" => keys.extend(inline_keys(&section, &value)),
            "identity" => keys.push(Key {
                name: "identity.HEADER".to_owned(),
                value: String::new(),
                is_default: false,
            }),
            "import.groups" => keys.push(Key {
                name: "import.groups.GROUP".to_owned(),
                value: String::new(),
                is_default: false,
            }),
            "" => keys.push(Key { name: key.to_owned(), value, is_default: !off }),
            section => keys.push(Key { name: format!("{section}.{key}"), value, is_default: !off }),
        }
    }
    keys
}

fn section_name(line: &str) -> String {
    if line.starts_with("[[") {
        return format!("{}[]", line.trim_matches(['[', ']']));
    }
    let name = line.trim_start_matches('[').trim_end_matches(']');
    match name.split_once('.') {
        Some(("upstreams", key)) if key.split('.').next_back() == Some("tls") => {
            "upstreams.NAME.tls".to_owned()
        }
        Some(("upstreams", key)) if key.ends_with(".health") => "upstreams.NAME.health".to_owned(),
        Some(("upstreams", _)) => "upstreams.NAME".to_owned(),
        Some(("routes", key)) if key.split('.').next_back() == Some("cors") => {
            "routes.KEY.cors".to_owned()
        }
        Some(("routes", _)) => "routes.KEY".to_owned(),
        _ => name.to_owned(),
    }
}

/// A value without the comment behind it.
fn value_of(text: &str) -> String {
    let mut in_text = false;
    let end = text.find(|sign| {
        in_text ^= sign == '"';
        sign == '#' && !in_text
    });
    text.get(..end.unwrap_or(text.len())).expect("at a sign").trim().to_owned()
}

fn inline_keys(section: &str, value: &str) -> Vec<Key> {
    let place = if section == "routes" { "routes.KEY" } else { "upstreams.NAME" };
    let inside = value.trim_matches(['{', '}']).split(", ");
    let pairs = inside.filter_map(|pair| pair.split_once('='));
    let key = |(key, _): (&str, &str)| Key {
        name: format!("{place}.{}", key.trim()),
        value: String::new(),
        is_default: false,
    };
    pairs.map(key).collect()
}

#[test]
fn every_key_is_in_the_table_and_no_other() {
    let code = example_keys().into_iter().map(|key| key.name).collect();
    agree(&names(&table("docs/configuration.md"), 0), &code);
}

#[test]
fn the_defaults_in_the_table_are_those_of_the_example() {
    let defaults: BTreeMap<_, _> = example_keys()
        .into_iter()
        .filter(|key| key.is_default)
        .map(|k| (k.name, k.value))
        .collect();
    let mut compared = 0;
    for row in table("docs/configuration.md") {
        let key = quoted(&row[0])[0];
        // The example has lines of its own to expect; a file without them expects nothing.
        if let Some(value) = defaults.get(key).filter(|_| key != "expect") {
            assert_eq!(quoted(&row[1]), [value], "the default of `{key}`");
            compared += 1;
        }
    }
    assert!(compared > 40, "only {compared} defaults were found");
}

/// The texts in quotes that follow `before`, in the part of a file from one mark to another.
fn words(file: &str, from: &str, to: &str, before: &str) -> BTreeSet<String> {
    let text = read(file);
    let (_, part) = text.split_once(from).unwrap_or_else(|| panic!("{file} has no `{from}`"));
    let part = part.split(to).next().expect("a part");
    let dense: String = part.split_whitespace().collect::<Vec<_>>().join(" ");
    let found: BTreeSet<_> = dense
        .split(before)
        .skip(1)
        .filter_map(|rest| rest.split('"').next().map(ToOwned::to_owned))
        .collect();
    assert!(!found.is_empty(), "{file}: nothing between `{from}` and `{to}`");
    found
}

#[test]
fn every_endpoint_is_in_the_table_and_no_other() {
    let table_of_rows = read("src/endpoints/table.rs");
    let parts = table_of_rows.lines().filter_map(|line| line.strip_prefix("mod "));
    let parts = parts.map(|part| part.trim_end_matches(';'));
    let rows: String = parts.map(|part| read(&format!("src/endpoints/table/{part}.rs"))).collect();
    let row = |row: &str| {
        let path = row.split('"').next().expect("a path");
        let method = row.split_once("method: Method::").expect("a method").1;
        let slash = if path.contains('.') { "" } else { "/" };
        format!("{} {path}{slash}", method.split(',').next().expect("its name"))
    };
    let mut code: BTreeSet<_> = rows.split("path: \"").skip(1).map(row).collect();
    let key_set = words("src/endpoints/serve.rs", "const JWKS_PATH", ";", "= \"");
    code.extend(key_set.iter().map(|path| format!("GET {path}")));
    agree(&names(&table("docs/endpoints.md"), 0), &code);
}

/// Every code that a refusal can have, by the places that decide them.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let rejections = "src/proxy/rejection.rs";
    for (from, to) in [
        ("pub fn class(&self)", "pub fn code"),
        ("const fn malformed", "\n}\n"),
        ("const fn broken_off", "\n}\n"),
    ] {
        for status in statuses(rejections, from, "S::") {
            codes.extend(words(rejections, from, to, &format!("S::{status}, \"")));
        }
    }
    let class = "pub(super) fn class(&self)";
    for status in statuses("src/endpoints/error.rs", class, "StatusCode::") {
        let before = format!("StatusCode::{status}, \"");
        codes.extend(words("src/endpoints/error.rs", class, "What the client is told", &before));
    }
    let (factors, class) = ("src/endpoints/factor_error.rs", "const fn class(&self)");
    for status in statuses(factors, class, "StatusCode::") {
        let before = format!("StatusCode::{status}, \"");
        codes.extend(words(factors, class, "\n    }\n", &before));
    }
    codes.extend(words(
        "src/session/refusal.rs",
        "const fn code(&self)",
        "What the client",
        "=> \"",
    ));
    codes.extend(words("src/gateway/meters.rs", "fn broken", "\n    }\n", "let code = \""));
    codes.extend(words("src/gateway/record/mod.rs", "impl Drop for Record", "\n}\n", "Some(\""));
    codes
}

/// The names of the statuses in a part of a file.
fn statuses(file: &str, from: &str, before: &str) -> BTreeSet<String> {
    let text = read(file);
    let (_, part) = text.split_once(from).unwrap_or_else(|| panic!("{file} has no `{from}`"));
    let names = part.split("\n    }\n").next().expect("a function").split(before).skip(1);
    let is_name = |sign: &char| sign.is_ascii_uppercase() || *sign == '_';
    names.map(|rest| rest.chars().take_while(is_name).collect()).collect()
}

#[test]
fn every_code_is_in_the_table_and_no_other() {
    agree(&names(&table("docs/refusals.md"), 1), &codes());
}

/// Every family of numbers, under the name that a monitoring system has for it.
fn metrics() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["state", "traffic", "accounts", "traces", "process"] {
        let text = read(&format!("src/gateway/metrics/{file}.rs"));
        for call in text.split("sheet.").skip(1) {
            let (kind, rest) = call.split_once('(').expect("a call");
            let Some(name) = rest.trim_start().strip_prefix('"') else { continue };
            let name = name.split('"').next().expect("a name");
            names.insert(match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            });
        }
    }
    assert!(names.len() > 25, "{names:?}");
    names
}

#[test]
fn every_metric_is_in_the_table_and_no_other() {
    agree(&names(&table("docs/monitoring.md"), 0), &metrics());
}

/// A query about what nobody counts would stay silent for ever.
#[test]
fn alerts_and_dashboard_ask_for_what_is_counted() {
    let counted = metrics();
    for file in ["docs/monitoring/alerts.yml", "docs/monitoring/dashboard.json"] {
        let text = read(file);
        let names = text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
        let asked: BTreeSet<_> = names
            .filter(|name| name.starts_with("portcullis_") || name.starts_with("process_"))
            .map(|name| name.trim_end_matches("_bucket").trim_end_matches("_count").to_owned())
            .collect();
        let unknown: Vec<_> = asked.difference(&counted).collect();
        assert!(asked.len() > 10 && unknown.is_empty(), "{file}: nobody counts {unknown:?}");
    }
}

#[test]
fn a_status_in_the_table_is_the_one_that_is_answered() {
    for row in table("docs/refusals.md") {
        for status in row[0].split(", ") {
            let known = status.parse().ok().and_then(|code| http::StatusCode::from_u16(code).ok());
            assert!(
                known.is_some_and(|it| it.is_client_error() || it.is_server_error()),
                "{row:?}"
            );
        }
    }
}

/// The blocks of a language in a text.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    let starts = text.split(&open).skip(1);
    starts.map(|rest| rest.split("```").next().expect("a block").to_owned()).collect()
}

#[test]
fn every_policy_on_the_page_is_good() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("django-secret-key"), "x".repeat(50)).expect("a secret");
    fs::write(folder.path().join("admin.token"), "x".repeat(64)).expect("a secret");
    fs::write(folder.path().join("feed.token"), "y".repeat(64)).expect("a secret");
    fs::write(folder.path().join("key-ring"), "z".repeat(64)).expect("a secret");
    fs::create_dir(folder.path().join("tls")).expect("a folder");
    for (host, cert, key) in [
        ("app", "cert.pem", "key.pem"),
        ("shop", "shop.pem", "shop.key"),
        ("ca", "clients.pem", ""),
    ] {
        let host = format!("{host}.example.com");
        let made = rcgen::generate_simple_self_signed([host]).expect("a certificate");
        let files = [(cert, made.cert.pem()), (key, made.signing_key.serialize_pem())];
        for (name, pem) in files.iter().filter(|(name, _)| !name.is_empty()) {
            fs::write(folder.path().join("tls").join(name), pem).expect("a file");
        }
    }
    fs::create_dir(folder.path().join("public")).expect("a folder");
    let schema = jsonschema::validator_for(&portcullis::config::schema()).expect("a schema");
    let policies = all_blocks("toml");
    assert!(policies.len() >= 7, "{policies:?}");
    for policy in policies {
        // In clear goes only what stays on the machine.
        let host = if policy.contains("danger_clear") { "127.0.0.1" } else { "db.example.com" };
        let url = format!("postgres://gate:secret@{host}/gate");
        fs::write(folder.path().join("database-url"), url).expect("a secret");
        let checked = Config::parse("page", &policy, folder.path());
        let checked = checked.unwrap_or_else(|error| panic!("{policy}\n{error}"));
        assert!(checked.warnings.is_empty(), "{policy}\n{:?}", checked.warnings);
        let table: toml::Table = policy.parse().expect("TOML");
        let errors = schema.iter_errors(&serde_json::to_value(table).expect("JSON")).count();
        assert_eq!(errors, 0, "an editor finds fault with:\n{policy}");
    }
}

/// The verifier that is compiled and run is the one on the page.
#[test]
fn the_verifier_on_the_page_is_the_one_that_is_tested() {
    let verifier = read("tests/gateway/verifier.rs");
    assert!(all_blocks("rust").contains(&verifier), "{verifier}");
}

#[test]
fn the_mistake_on_the_page_is_told_as_it_says() {
    let text = "[upstreams]\napi.to = \"http://127.0.0.1:8000\"\n[routes]\n\"/*\".to = \"apu\"\n";
    let error = Config::parse("portcullis.toml", text, Path::new(".")).expect_err("a mistake");
    assert!(read("docs/configuration.md").contains(&error.to_string()), "{error}");
}

/// The places of a page that can be linked to.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).expect("a page");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let is_kept = |sign: &char| sign.is_alphanumeric() || *sign == '-';
    let anchor = |line: &str| {
        let dashed = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        dashed.chars().filter(is_kept).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn what_the_page_links_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others = ["SECURITY.md", "CHANGELOG.md"].map(ToOwned::to_owned);
    for page in pages().into_iter().chain(others) {
        let text = read(&page);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().expect("a target");
            if link.contains("://") {
                continue;
            }
            let (target, place) = link.split_once('#').unwrap_or((link, ""));
            let folder = root.join(&page).parent().expect("a folder").to_owned();
            let target = if target.is_empty() { root.join(&page) } else { folder.join(target) };
            assert!(target.exists(), "{page}: {link}");
            let there = place.is_empty() || anchors(&target).contains(place);
            assert!(there, "{page}: {link}");
        }
    }
}

/// `SECURITY.md` names the tests of each promise: "- `file`: `test` `test`".
#[test]
fn every_promise_has_its_tests() {
    let text = read("SECURITY.md");
    let mut tests = 0;
    let promised = text.split("\n## ").find(|section| section.starts_with("What is promised"));
    for item in promised.expect("a section").split("\n- `").skip(1) {
        let item = item.split("\n\n").next().expect("an item");
        let (file, named) = item.split_once("`: ").expect("a file and its tests");
        let source = read(file);
        for name in quoted(named) {
            assert!(source.contains(&format!("fn {name}(")), "{file} has no test `{name}`");
            tests += 1;
        }
    }
    assert!(tests >= 30, "only {tests} tests are named");
}

#[cfg(feature = "cli")]
mod command_line {
    use super::*;

    fn help(words: &[&str]) -> String {
        let program = env!("CARGO_BIN_EXE_portcullis");
        let asked = std::process::Command::new(program).args(words).arg("--help").output();
        let asked = asked.expect("the program runs");
        assert!(asked.status.success(), "portcullis {words:?} --help");
        String::from_utf8(asked.stdout).expect("text")
    }

    /// Every command below the given words that has none below itself.
    fn commands(words: &[&str], found: &mut BTreeSet<String>) {
        let help = help(words);
        let Some((_, list)) = help.split_once("Commands:\n") else {
            found.insert(format!("portcullis {}", words.join(" ")));
            return;
        };
        let list = list.split("\n\n").next().expect("a list");
        let below = list.lines().filter_map(|line| line.strip_prefix("  ")).filter_map(|line| {
            line.split(' ').next().filter(|name| !name.is_empty() && *name != "help")
        });
        for name in below {
            commands(&[words, &[name]].concat(), found);
        }
    }

    /// The words of a row that are the command's own, and the options that it names.
    fn split(row: &str) -> (String, Vec<String>) {
        let is_own = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let own: Vec<_> = row.split(' ').take_while(is_own).collect();
        let options = row.split([' ', '[', ']']).filter(|word| word.starts_with("--"));
        (own.join(" "), options.map(ToOwned::to_owned).collect())
    }

    #[test]
    fn every_command_is_in_the_table_and_no_other() {
        let mut code = BTreeSet::new();
        commands(&[], &mut code);
        let mut page = BTreeSet::new();
        for row in table("docs/command-line.md") {
            let (command, options) = split(quoted(&row[0])[0]);
            let words: Vec<_> = command.split(' ').skip(1).collect();
            let help = help(&words);
            for option in options {
                assert!(help.contains(&option), "`{command}` has no {option}:\n{help}");
            }
            page.insert(command);
        }
        agree(&page, &code);
    }

    /// What the program prints in that folder.
    fn printed(folder: &Path, args: &[&str]) -> String {
        let program = env!("CARGO_BIN_EXE_portcullis");
        let ran = std::process::Command::new(program)
            .args(args)
            .current_dir(folder)
            .env_remove("PORTCULLIS_CONFIG")
            .output()
            .expect("the program runs");
        String::from_utf8(ran.stdout).expect("text")
    }

    #[test]
    fn the_check_on_the_page_is_what_check_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = printed(folder.path(), &["check"]);
        assert!(all_blocks("text").contains(&said), "{said}");
    }

    #[test]
    fn the_explanation_on_the_page_is_what_explain_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = read("docs/policy.md");
        let (before, _) = page.split_once("To `portcullis explain").expect("a question");
        let policies = blocks(before, "toml");
        let policy = policies.last().expect("the policy before it");
        fs::write(folder.path().join("portcullis.toml"), policy).expect("a file");
        let said = printed(folder.path(), &["explain", "GET", "/admin/users", "--as", "user"]);
        assert!(blocks(&page, "text").contains(&said), "{said}");
    }
}

//! The file that is written, checked after each answer.

use std::path::PathBuf;

use anyhow::{Context, anyhow};

use crate::config::{Config, ConfigError};
use crate::policy::{Caller, Question, Ruling, Verdict};

/// What was answered so far; the rest is what most would say.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    listen: String,
    pub(super) upstream: String,
    /// Empty is none.
    pub(super) public: String,
    pub(super) allow: String,
}

impl Answers {
    pub(super) fn at(listen: String) -> Self {
        let upstream = "http://127.0.0.1:8000".to_owned();
        Self { listen, upstream, public: String::new(), allow: "user".to_owned() }
    }
}

/// A file that is not yet written.
#[derive(Debug)]
pub(super) struct Draft {
    base: PathBuf,
    answers: Answers,
}

impl Draft {
    pub(super) const fn new(base: PathBuf, answers: Answers) -> Self {
        Self { base, answers }
    }

    /// Takes an answer, if the file is good with it.
    pub(super) fn answer(&mut self, change: impl FnOnce(&mut Answers)) -> anyhow::Result<()> {
        let mut answers = self.answers.clone();
        change(&mut answers);
        let draft = Self { base: self.base.clone(), answers };
        draft.check()?;
        *self = draft;
        Ok(())
    }

    /// Whether the file is good.
    pub(super) fn check(&self) -> anyhow::Result<Config> {
        self.parse(&self.text(&[]))
    }

    /// The text, with what it may expect of itself.
    pub(super) fn finish(&self) -> anyhow::Result<String> {
        let config = self.check()?;
        let mut callers = vec!["anyone", "user"];
        if !callers.contains(&self.answers.allow.as_str()) {
            callers.push(&self.answers.allow);
        }
        let lines = callers.into_iter().map(|who| expectation(&config, who));
        let text = self.text(&lines.collect::<anyhow::Result<Vec<_>>>()?);
        self.parse(&text)?;
        Ok(text)
    }

    fn parse(&self, text: &str) -> anyhow::Result<Config> {
        match Config::parse("the file", text, &self.base) {
            Ok(checked) => Ok(checked.config),
            // Their places are in a text that nobody has seen yet.
            Err(ConfigError::Invalid(problems)) => {
                let messages: Vec<_> =
                    problems.into_iter().map(|problem| problem.message).collect();
                Err(anyhow!("{}", messages.join("; ")))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn text(&self, expect: &[String]) -> String {
        let Answers { listen, upstream, public, allow } = &self.answers;
        let public = if public.is_empty() {
            "# The one name that clients use. While it is not set every host is served, and there are no\n\
             # links in letters.\n#public = \"https://app.example.com\"\n"
                .to_owned()
        } else {
            format!(
                "# The one name that clients use; requests for other hosts are refused (421).\n\
                 public = {}\n",
                quoted(public)
            )
        };
        let expect: Vec<_> = expect.iter().map(|line| format!("  {},\n", quoted(line))).collect();
        let expect = expect.concat();
        format!(
            "# The policy of this gateway. `portcullis check` says what it lets through, `portcullis explain\n\
             # GET /path --as user` what becomes of a request; config.example.toml has every key there is.\n\n\
             # Where to listen. \"0.0.0.0:8080\" is for other machines, too.\n\
             listen = [{listen}]\n\n\
             {public}\n\
             # Proxies before this gateway that may say who their clients are, such as \"10.0.0.0/8\".\n\
             trust = []\n\n\
             # What must be true of the routes below. A file that does not keep it is never in force.\n\
             expect = [\n{expect}]\n\n\
             [upstreams]\n\
             app = {{ to = {upstream} }}\n\n\
             # The most specific key wins. What no key matches is refused (404); to log in, register and so\n\
             # on is below /api/auth/ and the gateway's own.\n\
             [routes]\n\
             \"/*\" = {{ to = \"app\", allow = {allow} }}\n\
             #\"/public/*\" = {{ to = \"app\", allow = \"anyone\" }}\n\
             #\"/admin/*\"  = {{ to = \"app\", allow = \"role:admin\" }}\n",
            listen = quoted(listen),
            upstream = quoted(upstream),
            allow = quoted(allow),
        )
    }
}

/// What becomes of a caller at the root.
fn expectation(config: &Config, who: &str) -> anyhow::Result<String> {
    let question = Question {
        caller: Caller::parse(who).with_context(|| who.to_owned())?,
        from: None,
        method: http::Method::GET,
        host: String::new(),
        path: "/".to_owned(),
    };
    let ruling = question.ask(&config.routes);
    let outcome = match (ruling, ruling.status()) {
        (Ruling::Judged(route, Verdict::Allowed), _) => route.to.clone(),
        (_, Some(status)) => status.as_u16().to_string(),
        (_, None) => return Err(anyhow!("the root is the gateway's own")),
    };
    Ok(format!("{who} GET / -> {outcome}"))
}

/// As TOML writes a text.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

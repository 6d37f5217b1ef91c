//! How pages look: templates that are built in, each of which an operator may replace.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, ErrorKind, State};
use serde_json::json;

use super::language::Language;
use super::table;
use super::wording::Wording;
use crate::template::{TemplateError, environment};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The names of all templates.
        pub const FILES: &[&str] = &[$($name),*];
        pub(super) const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("templates/", $name)))),*];
    };
}

built_in!(
    "layout.html",
    "form.html",
    "notice.html",
    "account.html",
    "api.html",
    "devices.html",
    "factors.html",
    "keys.html",
    "site.html",
    "users.html",
    "user_add.html",
    "groups.html",
    "group.html",
    "invitations.html",
    "user.html",
    "confirm.html",
    "sessions.html",
    "audit.html",
    "state.html",
    "explain.html",
);

/// The frame that all pages are in.
const LAYOUT: &str = "layout.html";

/// The templates, each of which has been rendered once with values that were made up, and the
/// languages that say something in an operator's words.
#[derive(Clone)]
pub struct Look {
    templates: Arc<Environment<'static>>,
    languages: Arc<[Language]>,
}

impl Look {
    /// The built-in templates, some of them replaced by `own`: name and text. They say what they
    /// say in the words of `wording`.
    ///
    /// # Errors
    ///
    /// Every template that cannot be parsed, or that fails over made-up values.
    pub fn new(own: &[(String, String)], wording: &Wording) -> Result<Self, Vec<TemplateError>> {
        let mut templates = environment(BUILT_IN, own)?;
        let languages: Arc<[Language]> = wording.languages().into();
        let said = Arc::clone(&languages);
        templates.add_filter("t", move |state: &State<'_, '_>, text: &str| {
            translate(&said, state, text)
        });
        let look = Self { templates: Arc::new(templates), languages };
        let hollow = |(template, data)| (template, hollow(data), hollow(sample_frame()));
        let full = table::samples().map(|(template, data)| (template, data, sample_frame()));
        let tried = full.chain(table::samples().map(hollow));
        let problems = tried.filter_map(|(template, data, frame)| {
            look.page(template, data, frame, Language::english()).err()
        });
        let problems: Vec<_> = problems.collect();
        if problems.is_empty() { Ok(look) } else { Err(problems) }
    }

    /// A language as pages have it.
    pub(super) fn language(&self, built_in: &'static Language) -> &Language {
        own(&self.languages, built_in)
    }

    /// A whole page: a template filled with `data`, in a frame filled with `frame`. Both are
    /// objects.
    pub(super) fn page(
        &self,
        template: &str,
        data: serde_json::Value,
        frame: serde_json::Value,
        language: &Language,
    ) -> Result<String, TemplateError> {
        let frame = self.around(template, data, frame, language)?;
        self.part(LAYOUT, frame, language)
    }

    /// What a frame is filled with, with such a template in it.
    pub(super) fn around(
        &self,
        template: &str,
        data: serde_json::Value,
        frame: serde_json::Value,
        language: &Language,
    ) -> Result<serde_json::Value, TemplateError> {
        let body = self.part(template, data, language)?;
        let mut frame = frame;
        if let Some(frame) = frame.as_object_mut() {
            frame.insert("body".to_owned(), body.into());
        }
        Ok(frame)
    }

    fn part(
        &self,
        file: &str,
        mut data: serde_json::Value,
        language: &Language,
    ) -> Result<String, TemplateError> {
        if let Some(data) = data.as_object_mut() {
            data.insert("lang".to_owned(), language.tag.into());
        }
        let made = self.templates.get_template(file);
        let made = made.and_then(|template| template.render(Value::from(Serde(data))));
        made.map_err(|error| TemplateError::of(file, &error))
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look(..)")
    }
}

fn sample_frame() -> serde_json::Value {
    json!({
        "title": "Title",
        "name": "Example",
        "home": "/auth/",
        "style": "/auth/style.css",
        "script": "/auth/pages.js",
        "logo": "/auth/logo",
        "user": "alice",
        "sign_out": "/auth/sign-out/",
    })
}

/// The same with as little in it as there can be.
fn hollow(sample: serde_json::Value) -> serde_json::Value {
    let mut sample = sample;
    for value in sample.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        *value = match value {
            serde_json::Value::String(_) => "".into(),
            serde_json::Value::Array(_) => json!([]),
            serde_json::Value::Bool(_) => false.into(),
            serde_json::Value::Null
            | serde_json::Value::Number(_)
            | serde_json::Value::Object(_) => serde_json::Value::Null,
        };
    }
    sample
}

/// The one of these languages that a built-in one is, if any of them is.
fn own<'l>(languages: &'l [Language], built_in: &'static Language) -> &'l Language {
    languages.iter().find(|language| language.tag == built_in.tag).unwrap_or(built_in)
}

/// `{{ "text"|t }}`: the text in the language of the page.
fn translate(
    languages: &[Language],
    state: &State<'_, '_>,
    text: &str,
) -> Result<String, minijinja::Error> {
    let language = state.lookup("lang");
    let language = language.as_ref().and_then(Value::as_str).and_then(Language::named);
    let missing = || minijinja::Error::new(ErrorKind::UndefinedError, "no language");
    Ok(own(languages, language.ok_or_else(missing)?).say(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_rendered_in_every_language() {
        let look = Look::new(&[], &Wording::default()).unwrap();
        for tag in ["en", "de", "fr"] {
            let language = Language::named(tag).unwrap();
            for (template, data) in table::samples() {
                let page = look.page(template, data, sample_frame(), language).unwrap();
                assert!(page.contains(&format!("<html lang=\"{tag}\">")), "{template}");
                assert!(page.len() < 60 * 1024, "{template}: {}", page.len());
            }
        }
    }

    #[test]
    fn what_users_write_is_text_and_no_page() {
        let look = Look::new(&[], &Wording::default()).unwrap();
        let evil = "<script>alert(1)</script>\"'&";
        for (template, data) in table::samples() {
            let mut data = everywhere(data, evil);
            // What is around a page takes it as it is.
            if template == super::super::site::FRAME {
                data["body"] = "text".into();
            }
            let mut frame = sample_frame();
            for value in frame.as_object_mut().unwrap().values_mut() {
                *value = evil.into();
            }
            let page = look.page(template, data, frame, Language::english()).unwrap();
            assert!(page.contains("&lt;script&gt;"), "{template}");
            assert!(!page.contains("<script>"), "{template}");
        }
    }

    /// The same value with every text replaced.
    fn everywhere(value: serde_json::Value, text: &str) -> serde_json::Value {
        match value.clone() {
            serde_json::Value::String(_) => text.into(),
            serde_json::Value::Array(items) => {
                items.into_iter().map(|item| everywhere(item, text)).collect()
            }
            serde_json::Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (name, everywhere(value, text)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
                value
            }
        }
    }

    #[test]
    fn a_broken_template_is_told_with_file_and_line() {
        for (name, text, line, what) in [
            ("form.html", "a\n{{ title", 2, "syntax error"),
            ("notice.html", "a\nb\n{{ nonsense }}", 3, "undefined value"),
            ("layout.html", "{{ body }}{% include 'x' %}", 1, "syntax error"),
            ("form.html", "{{ faults[0] }}{{ links[0].label }}", 1, "undefined value"),
        ] {
            let problems =
                Look::new(&[(name.to_owned(), text.to_owned())], &Wording::default()).unwrap_err();
            let problem = problems.first().unwrap();
            assert_eq!((problem.file.as_str(), problem.line), (name, line), "{problem}");
            assert!(problem.what.starts_with(what), "{problem}");
        }
    }
}

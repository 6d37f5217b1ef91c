//! The way of a request for a page: each step in its turn, and its end in a page.

use std::mem::take;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::assets::Assets;
use super::form::{BadForm, Form};
use super::language::Language;
use super::outcome::{Outcome, Session};
use super::reader::query;
use super::refusal::{self, Kept};
use super::settings::PagesSettings;
use super::show::go;
use super::table::{API, Row, TABLE};
use super::visit::{Context, Shown, Visited};
use super::{Desk, Office, site};
use crate::session::{Authenticated, Sessions, Visit, Visitor};
use crate::web::{MessageLimits, is_from_own_page};

/// The pages, ready to be shown.
#[derive(Debug)]
pub struct Pages {
    pub(super) settings: PagesSettings,
    pub(super) sessions: Arc<Sessions>,
    messages: MessageLimits,
    pub(super) assets: Assets,
    pub(super) kept: Kept,
}

/// Who looks, and the cookie that is to be set for it.
struct Looker {
    caller: Option<Arc<Authenticated>>,
    cookie: Option<HeaderValue>,
}

impl Pages {
    /// Pages on these foundations.
    pub fn new(settings: PagesSettings, sessions: Arc<Sessions>, messages: MessageLimits) -> Self {
        let assets = Assets::new(&settings);
        let kept = Kept::default();
        let mut pages = Self { settings, sessions, messages, assets, kept };
        pages.kept = pages.made_before();
        pages
    }

    /// What the operator decides about them.
    pub const fn settings(&self) -> &PagesSettings {
        &self.settings
    }

    /// Whether a canonical path is a page's: the prefix, and all below it.
    pub fn owns(&self, path: &str) -> bool {
        self.settings.owns(path)
    }

    /// The pages that there are: what each is called, and its path.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, String)> {
        let site = self.settings.site.iter();
        let site = site.flat_map(|site| site::TABLE.iter().map(move |row| (&site.path, row)));
        let rows = TABLE.iter().map(|row| (&self.settings.prefix, row)).chain(site);
        rows.map(|(prefix, row)| {
            let slash = if row.path.is_empty() { "" } else { "/" };
            (row.name, format!("{prefix}/{}{slash}", row.path))
        })
    }

    /// Answers a request whose path is [owned](Self::owns). `desk` is where the auth endpoints
    /// are asked, `office` where operators' commands are carried out.
    pub async fn answer(&self, visit: Visited<'_>, desk: &dyn Desk, office: &dyn Office) -> Shown {
        let language = self.language(Language::choose(&visit.parts.headers));
        let (rows, below) = match self.settings.below_site(visit.path) {
            Some((site, _)) if !site.admits(visit.client) => {
                return self.refused(StatusCode::FORBIDDEN, "forbidden_address", None, language);
            }
            Some((_, below)) => (&site::TABLE[..], below),
            None => (&TABLE[..], self.settings.below(visit.path).unwrap_or_default()),
        };
        let below = below.trim_matches('/');
        if let Some(asset) = self.assets.find(below) {
            return Shown::of(asset.answer(&visit.parts.method));
        }
        let row = rows.iter().find(|row| row.path == below);
        let row = row.filter(|row| row.path != API || self.settings.offers.api);
        let Some(row) = row else {
            return self.refused(StatusCode::NOT_FOUND, "not_found", None, language);
        };
        let looker = match self.looker(&visit.parts.headers).await {
            Ok(looker) => looker,
            Err(shown) => return *shown,
        };
        let Looker { caller, cookie } = looker;
        let (mut shown, decided) =
            self.serve(row, visit, (desk, office), caller.clone(), language).await;
        // What the page decided of the session is the last word.
        if let Some(cookie) = cookie.filter(|_| !decided) {
            shown.response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Shown { page: Some(row.name), caller, ..shown }
    }

    /// A language, with what the operator has it say.
    pub(super) fn language(&self, built_in: &'static Language) -> &Language {
        self.settings.look.language(built_in)
    }

    /// Whose browser it is.
    async fn looker(&self, headers: &HeaderMap) -> Result<Looker, Box<Shown>> {
        let (cookie, language) = (self.settings.cookie, self.language(Language::choose(headers)));
        match self.sessions.visit(cookie, headers).await {
            Ok(Visit::Nobody) => Ok(Looker { caller: None, cookie: None }),
            Ok(Visit::Known(Visitor { caller, renewed })) => {
                Ok(Looker { caller: Some(caller), cookie: renewed })
            }
            Ok(Visit::Gone) => Ok(Looker { caller: None, cookie: Some(cookie.clear()) }),
            Ok(Visit::Ambiguous) => {
                let status = StatusCode::BAD_REQUEST;
                Err(Box::new(self.refused(status, "ambiguous_cookie", None, language)))
            }
            Err(error) => {
                let shown = self.refused(error.status(), error.code(), None, language);
                Err(Box::new(Shown { error: Some(Box::new(error)), ..shown }))
            }
        }
    }

    /// The page, and whether it decided what becomes of the session.
    async fn serve(
        &self,
        row: &'static Row,
        visit: Visited<'_>,
        (desk, office): (&dyn Desk, &dyn Office),
        caller: Option<Arc<Authenticated>>,
        language: &Language,
    ) -> (Shown, bool) {
        let Visited { parts, path, body, .. } = visit;
        let refused = |status, code| self.refused(status, code, caller.as_deref(), language);
        let post = match parts.method {
            Method::GET | Method::HEAD => None,
            Method::POST if row.post.is_some() => row.post,
            _ => {
                let mut shown = refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
                let allow = if row.post.is_some() { "GET, HEAD, POST" } else { "GET, HEAD" };
                let headers = shown.response.headers_mut();
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
                return (shown, false);
            }
        };
        if post.is_some() && !is_from_own_page(&parts.headers, self.settings.cookie.is_secure()) {
            return (refused(StatusCode::FORBIDDEN, "cross_site"), false);
        }
        let away = self.turn_away(&row.who, (parts, path), caller.as_deref(), language);
        if let Some(shown) = away {
            return (shown, false);
        }
        let query = Form::parse(query(&parts.uri));
        let (settings, sessions) = (&self.settings, &*self.sessions);
        let whose = caller.clone();
        let cx = Context { settings, sessions, desk, office, query, caller: whose, language };
        let outcome = match post {
            None => (row.get)(&cx).await,
            Some(post) => match Form::read(&parts.headers, body, self.messages.auth_body).await {
                Ok(form) => {
                    let at = (parts, path);
                    let away = self.turn_away_late(&row.who, at, caller.as_ref(), language).await;
                    if let Some(shown) = away {
                        return (shown, false);
                    }
                    post(&cx, form).await
                }
                Err(error) => {
                    let (status, code) = BadForm::class(error);
                    return (refused(status, code), false);
                }
            },
        };
        self.finish(outcome, caller.as_deref(), language)
    }

    fn finish(
        &self,
        outcome: Outcome,
        caller: Option<&Authenticated>,
        language: &Language,
    ) -> (Shown, bool) {
        let (mut shown, session, cookie) = match outcome {
            Outcome::Page(mut view) => {
                let (session, cookie) = (take(&mut view.session), view.cookie.take());
                (self.show(*view, caller, language), session, cookie)
            }
            Outcome::Go { to, session, cookie } => {
                (Shown::of(go(StatusCode::SEE_OTHER, &to)), session, cookie)
            }
        };
        let ours = match session {
            Session::Unchanged => None,
            Session::Set(cookie) => Some(cookie),
            Session::Clear => Some(self.settings.cookie.clear()),
        };
        let decided = ours.is_some();
        for cookie in cookie.into_iter().chain(ours) {
            shown.response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        (shown, decided)
    }

    /// The page that says why something cannot be had.
    pub(super) fn refused(
        &self,
        status: StatusCode,
        code: &'static str,
        caller: Option<&Authenticated>,
        language: &Language,
    ) -> Shown {
        self.show(refusal::view(status, code), caller, language)
    }
}

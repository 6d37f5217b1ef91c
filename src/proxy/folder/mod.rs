//! A folder as upstream: its files, to those who may.

mod coding;
mod conditions;
mod media;
mod name;
mod open;
mod pieces;

use std::fs::{File, Metadata};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tokio::time::timeout;

use super::upstream::{Flight, Upstream};
use super::{FolderSettings, Rejection};
use crate::clock::Timestamp;
use crate::web::{Body, CanonicalPath, takes_html, vary_by};
use conditions::{Outcome, Version};
use media::media_type;
use name::Name;
use open::{Found, Root};
use pieces::{PIECE, Pieces};

/// What answers for a folder.
const INDEX: &str = "index.html";

/// A folder whose files are the answers.
#[derive(Debug)]
pub(super) struct Folder(Arc<FolderSettings>);

/// A request for a file.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The path that the client asked for; the head has what became of it.
    pub(super) path: &'a CanonicalPath<'a>,
    pub(super) parts: &'a Parts,
    pub(super) now: Timestamp,
}

/// What is looked for, apart from the request.
struct Search {
    settings: Arc<FolderSettings>,
    name: Name,
    /// The client's path ends with `/`: what is relative in an index is right.
    has_slash: bool,
    /// A page that is not there may be made by a script in the browser.
    is_navigation: bool,
    codings: [bool; 3],
    /// The whole file is wanted, whatever its state.
    is_plain: bool,
}

/// What was found.
enum Answer {
    File(Box<Sent>),
    /// A folder, which the client asked for as if it were a file.
    Slash,
    Nothing(Option<io::Error>),
}

/// A file that is to be sent.
struct Sent {
    file: File,
    metadata: Metadata,
    media: &'static str,
    coding: Option<&'static str>,
    /// All of it, if it is small and was asked for without conditions.
    content: Option<Bytes>,
}

impl Folder {
    pub(super) fn new(settings: FolderSettings) -> Self {
        Self(Arc::new(settings))
    }
}

impl Asked<'_> {
    /// Answers from a folder, which has `patience` to find the file.
    pub(super) async fn of(
        self,
        folder: &Folder,
        upstream: &Arc<Upstream>,
        patience: Duration,
    ) -> Result<Response<Body>, Rejection> {
        let Parts { method, uri, .. } = self.parts;
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Rejection::MethodNotAllowed(HeaderValue::from_static("GET, HEAD")));
        }
        let name = Name::of(uri.path()).ok_or(Rejection::NoFile(None))?;
        let flight = upstream.enter().await?;
        let search = self.search(folder, name);
        let found = timeout(patience, pieces::blocking(move || search.run())).await;
        let found = found.map_err(|_late| Rejection::UpstreamTimeout(patience))?;
        match found.map_err(|error| Rejection::UpstreamFailed(error.into()))? {
            Answer::File(sent) => Ok(self.send(*sent, folder.0.precompressed, flight)),
            Answer::Slash => self.redirect(),
            Answer::Nothing(cause) => Err(Rejection::NoFile(cause)),
        }
    }

    fn search(self, folder: &Folder, name: Name) -> Search {
        let Parts { method, headers, .. } = self.parts;
        let conditions = [
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_UNMODIFIED_SINCE,
            header::RANGE,
        ];
        let codings = if folder.0.precompressed { coding::accepted(headers) } else { [false; 3] };
        Search {
            settings: Arc::clone(&folder.0),
            has_slash: self.path.as_str().ends_with('/'),
            is_navigation: name.looks_like_a_page() && takes_html(&self.parts.headers),
            is_plain: *method == Method::GET
                && !conditions.iter().any(|name| headers.contains_key(name)),
            name,
            codings,
        }
    }

    fn send(self, sent: Sent, is_negotiated: bool, flight: Flight) -> Response<Body> {
        let size = sent.metadata.len();
        let version = Version::of(&sent.metadata, self.now);
        let is_get = self.parts.method == Method::GET;
        let outcome = version.weigh(&self.parts.headers, size, is_get);
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        version.write(headers);
        if is_negotiated {
            vary_by("Accept-Encoding", headers);
        }
        let (at, length) = match outcome {
            Outcome::Whole => (0, size),
            Outcome::Part { first, last } => (first, last - first + 1),
            Outcome::Unchanged | Outcome::Failed | Outcome::Beyond => {
                *response.status_mut() = outcome.status();
                if outcome == Outcome::Beyond {
                    say_range(&mut response, &format!("bytes */{size}"));
                }
                return response;
            }
        };
        *response.status_mut() = outcome.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sent.media));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(coding) = sent.coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if let Outcome::Part { first, last } = outcome {
            say_range(&mut response, &format!("bytes {first}-{last}/{size}"));
        }
        *response.body_mut() = match sent.content {
            _ if !is_get || length == 0 => Body::empty(),
            Some(content) => content.into(),
            None => Body::stream(Pieces::new(sent.file, at, length, flight)),
        };
        response
    }

    /// To the same place with a slash behind it, whatever the route has made of the path: what
    /// is relative to the client's own path can be no other host.
    fn redirect(self) -> Result<Response<Body>, Rejection> {
        let last = self.path.as_str().rsplit('/').next().unwrap_or_default();
        let query = self.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = HeaderValue::try_from(format!("./{last}/{query}"));
        let location = location.map_err(|_| Rejection::NoFile(None))?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }
}

impl Outcome {
    const fn status(self) -> StatusCode {
        match self {
            Self::Whole => StatusCode::OK,
            Self::Part { .. } => StatusCode::PARTIAL_CONTENT,
            Self::Unchanged => StatusCode::NOT_MODIFIED,
            Self::Failed => StatusCode::PRECONDITION_FAILED,
            Self::Beyond => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }
}

impl Search {
    /// Looks; on a thread where that may block.
    fn run(&self) -> io::Result<Answer> {
        let root = Root::open(&self.settings.dir)?;
        let found = self.named(&root)?;
        if let (Answer::Nothing(None), Some(spa), true) =
            (&found, &self.settings.spa, self.is_navigation)
        {
            return self.file(&root, spa);
        }
        Ok(found)
    }

    fn named(&self, root: &Root) -> io::Result<Answer> {
        if self.name.is_folder {
            return match (self.has_slash, self.file(root, &self.name.within(INDEX))?) {
                (false, Answer::File(_)) => Ok(Answer::Slash),
                (_, found) => Ok(found),
            };
        }
        match root.find(&self.name.below)? {
            Found::Folder => {
                let index = root.find(&self.name.within(INDEX))?;
                let has_index = matches!(index, Found::File(..));
                Ok(if has_index { Answer::Slash } else { Answer::Nothing(None) })
            }
            found @ (Found::File(..) | Found::Nothing(_)) => {
                self.sent(root, &self.name.below, found)
            }
        }
    }

    fn file(&self, root: &Root, name: &str) -> io::Result<Answer> {
        self.sent(root, name, root.find(name)?)
    }

    fn sent(&self, root: &Root, name: &str, found: Found) -> io::Result<Answer> {
        let (file, metadata) = match found {
            Found::File(file, metadata) => (file, metadata),
            Found::Folder => return Ok(Answer::Nothing(None)),
            Found::Nothing(cause) => return Ok(Answer::Nothing(cause)),
        };
        let media = media_type(name);
        let mut sent = Sent { file, metadata, media, coding: None, content: None };
        for ((coding, extension), _) in
            coding::CODINGS.iter().zip(self.codings).filter(|(_, taken)| *taken)
        {
            if let Found::File(file, metadata) = root.find(&format!("{name}{extension}"))? {
                (sent.file, sent.metadata, sent.coding) = (file, metadata, Some(*coding));
                break;
            }
        }
        let size = sent.metadata.len();
        if self.is_plain && size <= PIECE {
            sent.content = Some(pieces::read(&sent.file, 0, size)?);
        }
        Ok(Answer::File(Box::new(sent)))
    }
}

fn say_range(response: &mut Response<Body>, range: &str) {
    if let Ok(range) = HeaderValue::from_str(range) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
}

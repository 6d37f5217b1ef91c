use http::Request;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// Who calls; `None` is 401. In axum: `middleware::from_fn` over `&request`, before the body is read.
pub fn signed_identity<B>(keys: &JwkSet, request: &Request<B>) -> Option<Map<String, Value>> {
    let field = |name| request.headers().get(name)?.to_str().ok();
    let token = field("x-user-token")?;
    let key = DecodingKey::from_jwk(keys.find(&decode_header(token).ok()?.kid?)?).ok()?;
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&["shop"]);
    let who = decode::<Map<String, Value>>(token, &key, &rules).ok()?.claims;
    let (method, path) = (request.method().as_str(), request.uri().path());
    let sent = ["identity", method, field("host")?, path, field("x-request-id")?];
    let told = ["token_type", "method", "host", "path", "request_id"].map(|name| who.get(name));
    told.iter().zip(sent).all(|(told, sent)| told.is_some_and(|it| it == sent)).then_some(who)
}

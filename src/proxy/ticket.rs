//! A ticket in the query: for who cannot send an `Authorization`.

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

use super::Rejection;

/// The parameter, by its name after decoding.
const NAME: &[u8] = b"ticket";

/// Takes every ticket out of a query: on its way to the upstream and into its logs nobody may
/// read one, used or not. What is left stays as it was written.
pub(super) fn take(uri: &mut Uri) -> Result<Vec<Vec<u8>>, Rejection> {
    let Some(query) = uri.query() else { return Ok(Vec::new()) };
    let (mut tickets, mut rest) = (Vec::new(), Vec::new());
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if percent_decode_str(name).eq(NAME.iter().copied()) {
            tickets.push(percent_decode_str(value).collect());
        } else {
            rest.push(pair);
        }
    }
    if tickets.is_empty() {
        return Ok(tickets);
    }
    let target = match rest.as_slice() {
        [] => uri.path().to_owned(),
        rest => format!("{}?{}", uri.path(), rest.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| Rejection::BadTarget)?);
    *uri = Uri::from_parts(parts).map_err(|_| Rejection::BadTarget)?;
    Ok(tickets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(target: &str) -> (Vec<String>, String) {
        let mut uri: Uri = target.parse().unwrap();
        let tickets = take(&mut uri).unwrap();
        let text = |ticket| String::from_utf8(ticket).unwrap();
        (tickets.into_iter().map(text).collect(), uri.to_string())
    }

    #[test]
    fn a_ticket_is_taken_out_and_the_rest_stays_as_it_was() {
        for (target, tickets, rest) in [
            ("/x", &[][..], "/x"),
            ("/x?", &[], "/x?"),
            ("/x?a=1&&b", &[], "/x?a=1&&b"),
            ("/x?ticket=T", &["T"], "/x"),
            ("/x?ticket", &[""], "/x"),
            ("/x?a=%20&ticket=T&b", &["T"], "/x?a=%20&b"),
            ("/x?%74icke%74=a%2Db", &["a-b"], "/x"),
            ("/x?ticket=1&a&ticket=2", &["1", "2"], "/x?a"),
            ("/x?Ticket=T&tickets=T&%2574icket=T", &[], "/x?Ticket=T&tickets=T&%2574icket=T"),
            ("/x?a=ticket&b=ticket=1", &[], "/x?a=ticket&b=ticket=1"),
            ("http://a.test/x?ticket=T", &["T"], "http://a.test/x"),
        ] {
            let (found, left) = taken(target);
            assert_eq!(left, rest);
            assert_eq!(found, tickets, "{target}");
        }
    }

    proptest! {
        /// Whoever reads the query as a form finds no ticket in it.
        #[test]
        fn no_spelling_of_a_ticket_is_left(
            query in "([a&=%7][a-z0-9=&%]{0,3}|ticket=|%74icket|&%54ICKET=|%7[0-9]|&|x){0,12}",
        ) {
            let mut uri: Uri = format!("/x?{query}").parse().unwrap();
            take(&mut uri).unwrap();
            let left = uri.query().unwrap_or_default();
            let found = form_urlencoded::parse(left.as_bytes()).any(|(name, _)| name == "ticket");
            prop_assert!(!found, "{left}");
        }
    }
}

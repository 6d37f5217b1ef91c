//! Changes of a text, some of them within others.

use std::collections::BTreeSet;
use std::ops::Range;

/// The order of what is put at one and the same place: what ends there comes before what begins there.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Side {
    Close,
    Between,
    Open,
}

/// One piece of text, in the place of none or some.
struct Piece {
    at: Range<usize>,
    side: Side,
    text: String,
    change: usize,
}

/// The pieces that make a change, and the mutants that it makes.
struct Change {
    mutants: Vec<usize>,
}

/// All changes of a file.
#[derive(Default)]
pub(crate) struct Edits {
    changes: Vec<Change>,
    pieces: Vec<Piece>,
}

/// Where a change stands in the text that was written.
#[derive(serde::Serialize)]
pub(crate) struct Place {
    mutants: Vec<usize>,
    start: usize,
    end: usize,
}

impl Edits {
    /// Lays `before` and `after` around what stands in `within`.
    pub(crate) fn around(
        &mut self,
        mutants: Vec<usize>,
        within: Range<usize>,
        before: String,
        after: &str,
    ) {
        self.begin(mutants);
        self.piece(within.start..within.start, Side::Open, before);
        self.piece(within.end..within.end, Side::Close, after.to_owned());
    }

    /// Puts a text where nothing is.
    pub(crate) fn at(&mut self, mutants: Vec<usize>, place: usize, text: String) {
        self.begin(mutants);
        self.piece(place..place, Side::Open, text);
    }

    /// Makes `a < b` a call: `call(&(a), &(b))` if the operands are borrowed, or `call((a), (b))`.
    pub(crate) fn call(
        &mut self,
        mutants: Vec<usize>,
        within: Range<usize>,
        operator: Range<usize>,
        call: &str,
        borrow: &str,
    ) {
        self.begin(mutants);
        self.piece(within.start..within.start, Side::Open, format!("{call}{borrow}("));
        self.piece(operator, Side::Between, format!("), {borrow}("));
        self.piece(within.end..within.end, Side::Close, "))".to_owned());
    }

    /// Puts `text` in the place of what is there, and `after` where it ends.
    pub(crate) fn instead(
        &mut self,
        mutants: Vec<usize>,
        at: Range<usize>,
        text: String,
        end: usize,
        after: &str,
    ) {
        self.begin(mutants);
        self.piece(at, Side::Open, text);
        self.piece(end..end, Side::Close, after.to_owned());
    }

    fn begin(&mut self, mutants: Vec<usize>) {
        self.changes.push(Change { mutants });
    }

    fn piece(&mut self, at: Range<usize>, side: Side, text: String) {
        self.pieces.push(Piece { at, side, text, change: self.changes.len() - 1 });
    }

    /// The text with all changes, but for those that make one of `left_out`.
    pub(crate) fn apply(mut self, text: &str, left_out: &BTreeSet<usize>) -> (String, Vec<Place>) {
        // A change is found before those within it: it opens first and closes last.
        self.pieces.sort_by_key(|piece| {
            let change = isize::try_from(piece.change).unwrap_or(isize::MAX);
            (piece.at.start, piece.side, if piece.side == Side::Close { -change } else { change })
        });
        let mut places: Vec<Option<Place>> = Vec::new();
        places.resize_with(self.changes.len(), || None);
        let (mut written, mut done) = (String::with_capacity(text.len() * 2), 0);
        for piece in &self.pieces {
            let mutants = &self.changes[piece.change].mutants;
            if mutants.iter().any(|mutant| left_out.contains(mutant)) {
                continue;
            }
            written.push_str(&text[done..piece.at.start]);
            let start = written.len();
            written.push_str(&piece.text);
            done = piece.at.end;
            let place = places[piece.change].get_or_insert_with(|| Place {
                mutants: mutants.clone(),
                start,
                end: 0,
            });
            place.end = written.len();
        }
        written.push_str(&text[done..]);
        (written, places.into_iter().flatten().collect())
    }
}

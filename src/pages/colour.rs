//! Colours, and whether one can be read on another (WCAG 2.2, success criterion 1.4.3).

use std::fmt;

/// Least contrast of a text to what it stands on.
const READABLE: f32 = 4.5;
/// Steps from a colour to black or white.
const STEPS: u16 = 20;

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Colour(pub(super) [u8; 3]);

impl Colour {
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
    /// White.
    pub const WHITE: Self = Self([u8::MAX; 3]);

    /// Reads `#rrggbb`; `None` for any other form.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#')?;
        if hex.len() != 6 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(hex, 16).ok()?.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// Of black and white, the one that is read better on it, and the other.
    pub(super) fn on_and_away(self) -> (Self, Self) {
        if self.contrast(Self::BLACK) > self.contrast(Self::WHITE) {
            (Self::BLACK, Self::WHITE)
        } else {
            (Self::WHITE, Self::BLACK)
        }
    }

    /// This colour, as far towards `end` as it takes to be read on `ground`.
    pub(super) fn readable_on(self, ground: Self, end: Self) -> Self {
        let mut mixed = (0..STEPS).map(|step| self.towards(end, step));
        mixed.find(|colour| colour.contrast(ground) >= READABLE).unwrap_or(end)
    }

    /// From 1, for the same colour, to 21.
    fn contrast(self, other: Self) -> f32 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// From 0 to 1.
    fn luminance(self) -> f32 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f32::from(part) / f32::from(u8::MAX);
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn towards(self, end: Self, step: u16) -> Self {
        let mut parts = self.0;
        for (part, end) in parts.iter_mut().zip(end.0) {
            let mixed = (u16::from(*part) * (STEPS - step) + u16::from(end) * step) / STEPS;
            *part = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
        Self(parts)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_are_read_in_one_form() {
        assert_eq!(Colour::parse("#1D5fa8").unwrap().to_string(), "#1d5fa8");
        for text in ["", "#", "1d5fa8", "#1d5fa", "#1d5fa88", "#1d5fag", "#+d5fa8", "red"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        let contrast = |one, two| {
            let [one, two] = [one, two].map(|text| Colour::parse(text).unwrap());
            (one.contrast(two) * 100.0).round() / 100.0
        };
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < f32::EPSILON);
        assert!((contrast("#777777", "#ffffff") - 4.48).abs() < f32::EPSILON);
        assert!((contrast("#767676", "#ffffff") - 4.54).abs() < f32::EPSILON);
        assert!((contrast("#ff0000", "#ff0000") - 1.0).abs() < f32::EPSILON);
    }

    proptest! {
        #[test]
        fn whatever_the_colour_is_it_can_be_read(parts: [u8; 3], ground in 0_u8..40) {
            let colour = Colour(parts);
            prop_assert!(colour.on_and_away().0.contrast(colour) >= READABLE);
            let (dark, light) = (Colour([ground; 3]), Colour([u8::MAX - ground; 3]));
            prop_assert!(colour.readable_on(dark, Colour::WHITE).contrast(dark) >= READABLE);
            prop_assert!(colour.readable_on(light, Colour::BLACK).contrast(light) >= READABLE);
        }
    }
}

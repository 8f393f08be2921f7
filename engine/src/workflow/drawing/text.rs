//! Text: how wide it is, how it is clipped, and how it is written into XML.

/// Widths of the characters from the space to the tilde, in thousandths of the size, of a wide face (DejaVu Sans):
/// what fits by this table fits in the other faces that a reader may have.
#[rustfmt::skip]
const WIDTHS: [i32; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
    636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,
    1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
    603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,
    500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// The width of a character that the table does not have, by its block.
fn other(c: char) -> i32 {
    match c {
        '\u{a0}'..='\u{24f}' => 800,
        '\u{370}'..='\u{5ff}' => 1_000,
        '\u{2010}'..='\u{2027}' => 1_000,
        _ => 1_400,
    }
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Face {
    /// The size in pixels.
    pub(super) size: i32,
    /// In thousandths: how much wider than a plain face it is.
    pub(super) stretch: i32,
}

/// The names of tasks.
pub(super) const NAME: Face = Face { size: 13, stretch: 1_120 };
/// What stands under a name.
pub(super) const LINE: Face = Face { size: 11, stretch: 1_000 };
/// What stands out under a name.
pub(super) const STRONG: Face = Face { size: 11, stretch: 1_120 };
/// What stands on ways and beside tasks.
pub(super) const SMALL: Face = Face { size: 10, stretch: 1_120 };
/// The heading.
pub(super) const HEADING: Face = Face { size: 18, stretch: 1_120 };

/// The width of a text in whole pixels, rounded up.
pub(super) fn width(text: &str, face: Face) -> i32 {
    let most = text.chars().map(|c| of(c, face)).fold(0_i64, |sum, next| sum + i64::from(next));
    i32::try_from((most + 999_999) / 1_000_000).unwrap_or(i32::MAX / 2)
}

/// The width of a character in millionths of a pixel.
fn of(c: char, face: Face) -> i32 {
    let index = (c as usize).wrapping_sub(32);
    WIDTHS.get(index).copied().unwrap_or_else(|| other(c)) * face.size * face.stretch
}

/// Cuts a text to a width; what is cut ends in an ellipsis.
pub(super) fn clip(text: &str, face: Face, most: i32) -> String {
    if width(text, face) <= most {
        return text.to_owned();
    }
    let mut left = i64::from(most - width("…", face)) * 1_000_000;
    let fits = |c: &char| {
        left -= i64::from(of(*c, face));
        left >= 0
    };
    let head: String = text.chars().take_while(fits).collect();
    format!("{}…", head.trim_end())
}

/// Brings a text onto one line of at most `most` characters.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > most * 4 {
            break;
        }
    }
    if line.chars().count() <= most {
        return line;
    }
    let head: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{head}…")
}

/// Appends a text to XML: as content, or as the value of an attribute in double quotes.
pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            // Characters that XML 1.0 has no place for, and those that turn the direction of what follows.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipped_text_fits_and_says_so() {
        assert_eq!(clip("short", LINE, 100), "short");
        for text in [
            "a long name that goes on and on",
            "WWWWWWWWWWWWWWWW",
            "😀😀😀😀😀😀😀😀😀😀",
            "שלום שלום שלום שלום",
        ] {
            let clipped = clip(text, LINE, 80);
            assert!(clipped.ends_with('…') && width(&clipped, LINE) <= 80, "{clipped}");
        }
        assert_eq!(clip("anything", LINE, 0), "…");
    }

    #[test]
    fn markup_stays_text() {
        let mut out = String::new();
        escape(&mut out, "<script>\"a\" & 'b'\u{0}\u{202e}\n");
        assert_eq!(out, "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\u{fffd}\u{fffd} ");
    }

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(one_line("  a\n\t b  ", 10), "a b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}

//! Sets of characters.

/// A set of characters.
#[derive(Debug, Clone, Default)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) items: Vec<ClassItem>,
}

/// One part of a class: a range, or a kind of character, which may be negated.
#[derive(Debug, Clone)]
pub(super) enum ClassItem {
    Range(char, char),
    Kind(fn(char) -> bool, bool),
}

impl Class {
    /// True if one of its parts has the character; whether it is negated is the caller's business.
    pub(super) fn has(&self, c: char) -> bool {
        self.items.iter().any(|item| match item {
            ClassItem::Range(first, last) => (*first..=*last).contains(&c),
            ClassItem::Kind(kind, negated) => kind(c) != *negated,
        })
    }
}

/// True for what `\d` matches.
pub(super) fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// True for what `\w` matches.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Finds a kind of character by the name it has in `[:name:]` or `\p{name}`.
pub(super) fn kind_named(name: &str) -> Option<fn(char) -> bool> {
    Some(match name {
        "alnum" | "Alnum" => char::is_alphanumeric,
        "alpha" | "Alpha" | "Alphabetic" | "L" | "Letter" => char::is_alphabetic,
        "digit" | "Digit" => is_digit,
        "lower" | "Lower" | "Ll" => char::is_lowercase,
        "upper" | "Upper" | "Lu" => char::is_uppercase,
        "punct" | "Punct" | "P" => |c| c.is_ascii_punctuation(),
        "space" | "Space" => char::is_whitespace,
        "blank" | "Blank" => |c| c == ' ' || c == '\t',
        "cntrl" | "Cntrl" => char::is_control,
        "xdigit" | "XDigit" => |c| c.is_ascii_hexdigit(),
        "word" | "Word" => is_word,
        "N" | "Number" => char::is_numeric,
        _ => return None,
    })
}

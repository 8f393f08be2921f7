//! Layout: templates are blocks of falling importance; what does not fit is left out, and only then is text cut.

/// A template: its blocks, in order.
pub(super) type Template = &'static [Block];

/// A part of a template that is there or not as a whole.
#[derive(Debug)]
pub(super) struct Block {
    /// What stands between it and the block before.
    gap: &'static str,
    /// 0 for what must stay; the higher, the sooner it is left out.
    rank: u8,
    /// The text, with names of values in braces; left out where one of them has no value.
    text: &'static str,
}

/// A block that begins a paragraph.
pub(super) const fn para(rank: u8, text: &'static str) -> Block {
    Block { gap: "\n\n", rank, text }
}

/// A block that begins a line.
pub(super) const fn line(rank: u8, text: &'static str) -> Block {
    Block { gap: "\n", rank, text }
}

/// A block that goes on in the same line.
pub(super) const fn more(rank: u8, text: &'static str) -> Block {
    Block { gap: " ", rank, text }
}

/// The values of names in templates.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<(&'static str, String)>);

impl Values {
    /// Sets a value, if there is one.
    pub(super) fn set(&mut self, name: &'static str, value: Option<String>) {
        self.0.extend(value.map(|value| (name, value)));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Puts values in the place of their names, in one pass: what a value says is never taken for a name.
    fn fill(&self, text: &str) -> Option<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            filled.push_str(before);
            filled.push_str(self.get(name)?);
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }
}

struct Filled {
    gap: &'static str,
    rank: u8,
    text: String,
    /// True where a part of it would be of no use.
    whole: bool,
}

/// Lays a template out: within `aim` characters by leaving blocks out, within `max` by cutting too.
pub(super) fn fit(template: Template, values: &Values, aim: usize, max: usize) -> String {
    let mut blocks: Vec<Filled> = template
        .iter()
        .filter_map(|block| {
            let text = values.fill(block.text)?;
            let whole = block.text.contains("rl}");
            Some(Filled { gap: block.gap, rank: block.rank, text, whole })
        })
        .collect();
    while length(&blocks) > aim {
        let place = blocks.iter().enumerate().filter(|(_, block)| block.rank > 0);
        let Some((place, _)) = place.max_by_key(|(place, block)| (block.rank, *place)) else { break };
        blocks.remove(place);
    }
    let over = length(&blocks).saturating_sub(max);
    if over > 0 {
        shorten(&mut blocks, over);
    }
    cut(&join(&blocks), max)
}

/// Shortens the longest block that can be; where that is not enough, leaves out what cannot be.
fn shorten(blocks: &mut Vec<Filled>, over: usize) {
    const LEAST: usize = 12;
    let elastic =
        blocks.iter_mut().filter(|block| !block.whole).max_by_key(|block| block.text.chars().count());
    match elastic {
        Some(block) if block.text.chars().count() >= over + LEAST => {
            block.text = cut(&block.text, block.text.chars().count() - over);
        }
        _ => blocks.retain(|block| !block.whole),
    }
}

fn join(blocks: &[Filled]) -> String {
    let mut text = String::new();
    for block in blocks {
        if !text.is_empty() {
            text.push_str(block.gap);
        }
        text.push_str(&block.text);
    }
    text
}

fn length(blocks: &[Filled]) -> usize {
    join(blocks).chars().count()
}

/// Cuts a text to at most `max` characters: after a word where one ends in the second half, with an ellipsis.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(1);
    let end = text.char_indices().nth(room).map_or(text.len(), |(end, _)| end);
    let (kept, rest) = text.split_at(end);
    let word =
        if rest.starts_with(char::is_whitespace) { Some(end) } else { kept.rfind(char::is_whitespace) };
    let kept = match word {
        Some(word) if kept[..word].chars().count() * 2 >= room => &kept[..word],
        _ => kept,
    };
    let loose = |letter: char| letter.is_whitespace() || ".,;:-–—¡¿(«\u{200d}\u{fe0f}".contains(letter);
    let mut cut = kept.trim_end_matches(loose).to_owned();
    if max > 0 {
        cut.push('…');
    }
    cut
}

//! `content.check`: every piece of content keeps to its channel, its language and the brief.

use promptsales_actors::value::brief::PieceWanted;
use promptsales_actors::value::{Brief, ContentKind, Piece};
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CreatedContent;

/// The most problems that are told in one error.
const TOLD: usize = 5;

/// Checks every piece of content.
pub struct CheckContent;

/// What [`CheckContent`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The brief.
    pub brief: Brief,
    /// The pieces.
    pub content: Vec<CreatedContent>,
}

/// What [`CheckContent`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// How many pieces were checked.
    pub checked: usize,
}

impl Action for CheckContent {
    const NAME: &'static str = "content.check";
    const SUMMARY: &'static str = "Checks every piece: length by channel, forbidden words, language.";
    const COMPENSATES: bool = false;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, _: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        let wanted = input.brief.pieces();
        let wanted = wanted.map_err(|e| WorkflowError::action(e.code(), 422, e.to_string()))?;
        let pieces: Vec<&Piece> = input.content.iter().map(|made| &made.piece).collect();
        let mut problems: Vec<String> = missing(&wanted, &pieces).collect();
        for piece in &pieces {
            problems.extend(problems_of(piece, &input.brief));
        }
        if problems.is_empty() {
            return Ok(Next::Done(Output { checked: pieces.len() }));
        }
        let more = problems.len().saturating_sub(TOLD);
        problems.truncate(TOLD);
        let mut detail = problems.join("; ");
        if more > 0 {
            detail.push_str(&format!("; and {more} more"));
        }
        Err(WorkflowError::action("content_rejected", 422, detail))
    }
}

fn missing<'a>(wanted: &'a [PieceWanted], pieces: &'a [&Piece]) -> impl Iterator<Item = String> + 'a {
    let same = |want: &PieceWanted, piece: &Piece| {
        piece.channel == want.channel && piece.locale == want.locale && piece.kind == want.kind
    };
    let lacks = move |want: &&PieceWanted| !pieces.iter().any(|piece| same(want, piece));
    let told =
        |want: &PieceWanted| format!("{} in {} for {} is missing", want.kind, want.locale, want.channel);
    wanted.iter().filter(lacks).map(told)
}

fn problems_of(piece: &Piece, brief: &Brief) -> Vec<String> {
    let name = format!("{} in {} for {}", piece.kind, piece.locale, piece.channel);
    let mut problems = Vec::new();
    if !brief.locales.contains(&piece.locale) {
        problems.push(format!("{name}: the brief does not ask for this language"));
    }
    let limited = |field: &str, text: &str, limit: usize| {
        let length = text.chars().count();
        (length > limit).then(|| format!("{name}: the {field} has {length} characters, {limit} are allowed"))
    };
    // What a picture or clip was made from is not published, so that only its wording is checked.
    if piece.kind == ContentKind::Text {
        problems.extend(limited("text", piece.text.as_str(), piece.channel.text_limit()));
    }
    if let Some(headline) = &piece.headline {
        problems.extend(limited("headline", headline.as_str(), piece.channel.headline_limit()));
    }
    let alt = piece.media.as_ref().map(|media| media.alt_text.as_str());
    let texts = [Some(piece.text.as_str()), piece.headline.as_ref().map(|h| h.as_str()), alt];
    for word in &brief.forbidden_words {
        if texts.iter().flatten().any(|text| contains_word(text, word.as_str())) {
            problems.push(format!("{name}: it holds the forbidden `{word}`"));
        }
    }
    problems
}

/// True if a word or phrase stands in a text by itself, in any case.
fn contains_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let is_free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(&word).any(|(at, found)| {
        is_free(text[..at].chars().next_back()) && is_free(text[at + found.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::actions::testkit::{content, cx, next, text_brief};

    fn told(brief: &Value, content: &Value) -> String {
        let error = next::<CheckContent>(&json!({ "brief": brief, "content": content }), &[], &cx());
        let error = error.unwrap_err();
        assert_eq!(error.kind, "urn:promptsales:error:content_rejected");
        error.detail.unwrap()
    }

    #[test]
    fn good_pieces_pass() {
        let input = json!({ "brief": text_brief(), "content": content() });
        assert_eq!(next::<CheckContent>(&input, &[], &cx()), Ok(Next::Done(json!({ "checked": 2 }))));
    }

    #[test]
    fn every_problem_is_told() {
        let mut brief = text_brief();
        brief["forbiddenWords"] = json!(["gratis", "el mejor"]);
        let mut pieces = content();
        pieces[0]["piece"]["text"] = json!("Es GRATIS, y el mejor.");
        let all = told(&brief, &pieces);
        assert!(all.contains("`gratis`") && all.contains("`el mejor`"), "{all}");
        pieces[0]["piece"]["text"] = json!("x".repeat(2201));
        assert!(told(&brief, &pieces).contains("2201 characters, 2200 are allowed"));
        let one = json!([content()[0]]);
        assert!(told(&brief, &one).contains("text in es-CR for facebook is missing"));
        pieces = content();
        pieces[1]["piece"]["locale"] = json!("en");
        assert!(told(&brief, &pieces).contains("does not ask for this language"));
    }

    #[test]
    fn words_are_whole_words() {
        assert!(contains_word("Todo gratis!", "gratis"));
        assert!(!contains_word("gratisimo", "gratis"));
        assert!(contains_word("ÚLTIMA hora", "última"));
        assert!(!contains_word("Ñandúes", "ñandú"));
    }
}

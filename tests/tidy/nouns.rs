//! The engine names no marketing concept: neither in its identifiers nor in its string literals, tests aside.

use crate::finding::{Allowed, Finding, report, sift};
use crate::repo::{Repo, repo};
use crate::source::{Kind, Scope};

const ENGINE: &str = "engine/src/";

/// Words (of identifiers, split at `_` and at capitals; of string literals) that belong to the domain; each stands for
/// its plural too. A noun of two words is written with a space.
const NOUNS: &[&str] = &[
    "advertisement",
    "advertiser",
    "campaign",
    "content job",
    "contentjob",
    "hubspot",
    "lead",
    "mailchimp",
    "marketing",
    "newsletter",
    "promptads",
    "promptcontent",
    "promptcrm",
    "salesforce",
    "whatsapp",
    "zendesk",
];

/// Exceptions: `path` is the file, `name` the noun as it stands in [`NOUNS`].
const ALLOWED: &[Allowed] = &[];

fn nouns(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in repo.sources.iter().filter(|source| source.path.starts_with(ENGINE)) {
        let product =
            source.tokens.iter().filter(|token| token.scope == Scope::Product && token.kind != Kind::Other);
        for token in product {
            for noun in nouns_in(&token.text) {
                let text = format!(
                    "names `{noun}`: the engine knows no marketing noun; say what it is to the engine"
                );
                found.push(Finding::new(&source.path, token.line, noun, text));
            }
        }
    }
    found
}

fn nouns_in(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let all: Vec<String> = words.iter().cloned().chain(pairs).collect();
    let is_there =
        |noun: &&&str| all.iter().any(|word| word == **noun || word.strip_suffix('s') == Some(**noun));
    NOUNS.iter().filter(is_there).copied().collect()
}

/// The words of an identifier or a text, in lower case: `leadScore`, `LEAD_SCORE` and "lead score" are the same two.
fn words(text: &str) -> Vec<String> {
    let marks: Vec<char> = text.chars().collect();
    let mut words = vec![String::new()];
    for (index, mark) in marks.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| marks[index]);
        let after_is_lower = marks.get(index + 1).is_some_and(|mark| mark.is_lowercase());
        let begins = match before {
            Some(before) if mark.is_uppercase() => before.is_lowercase() || after_is_lower,
            Some(before) => mark.is_alphabetic() != before.is_alphabetic(),
            None => false,
        };
        if begins {
            words.push(String::new());
        }
        if mark.is_alphabetic() {
            words.last_mut().expect("there is a first word").extend(mark.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_engine_names_no_marketing_noun() {
    assert!(repo().sources.iter().any(|source| source.path.starts_with(ENGINE)), "the engine was not read");
    report("no marketing noun in the engine", sift(nouns(repo()), ALLOWED));
}

#[test]
fn words_are_found_in_every_case() {
    assert_eq!(words("HTTPLeadScore2_max"), ["http", "lead", "score", "max"]);
    for text in [
        "CampaignId",
        "LEADS",
        "lead_score",
        "contentJobs",
        "content-job",
        "a\nlead",
        "/leads/{id}",
        "cmp.lead.v1",
    ] {
        assert!(!nouns_in(text).is_empty(), "{text}");
    }
    for text in ["leader", "leading_zero", "misleading", "pleads", "content", "job", "ahead"] {
        assert!(nouns_in(text).is_empty(), "{text}");
    }
}

#[test]
fn nouns_in_names_and_texts_are_found_and_others_are_not() {
    let bad = "fn launch_campaign() {}\nconst KIND: &str = \"lead\";\nconst RAW: &[u8] = b\"\\tlead\";\n";
    assert_eq!(nouns(&Repo::of(&[("engine/src/a.rs", bad)])).len(), 3);
    assert_eq!(nouns(&Repo::of(&[("actors/src/a.rs", bad)])), []);
    let good = "/// Unlike a campaign.\nfn leader() {} // lead\n#[cfg(test)]\nmod tests {\n    const X: &str = \"lead\";\n}\n";
    assert_eq!(nouns(&Repo::of(&[("engine/src/a.rs", good)])), []);
}

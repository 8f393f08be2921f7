//! Principals: who sends a command.

use promptsales_engine::id::StreamId;

/// True if a command comes from a person and not from a run, a rule, another entity or the engine.
pub fn is_person(principal: &str) -> bool {
    let engine = ["timer", "system", "effects"].contains(&principal);
    let sent = ["run:", "rule:"].iter().any(|stem| principal.starts_with(stem));
    !engine && !sent && principal.parse::<StreamId>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_runs_entities_and_the_engine_are_no_persons() {
        for principal in ["timer", "system", "rule:scoring", "run:x", "run_01h455vb4pex5vsknk084sn02q"] {
            assert!(!is_person(principal), "{principal}");
        }
        assert!(is_person("key:ana") && is_person("dev"));
    }
}

use super::*;

fn compiled(source: &str) -> Definition {
    let draft = draft(source);
    let problems = draft.problems.in_text(source);
    assert!(problems.is_empty(), "{problems:#?}");
    draft.definition.unwrap()
}

const EVERY_TASK: &str = r#"
document:
  dsl: '1.0.3'
  namespace: shop
  name: every-task
  version: 1.2.3-rc.1
  title: Every task
  summary: One of each.
  tags: { team: a }
  metadata: { saga: true, owner: me }
input:
  schema: { format: json, document: { type: object, required: [pets] } }
  from: .
output: { as: '${ . }' }
timeout: { after: PT1H }
evaluate: { language: jq, mode: strict }
use:
  errors:
    closed: { type: 'https://example.com/closed', status: 409, title: Closed, detail: '${ "for \(.name)" }' }
  retries:
    patient: { delay: { seconds: 3 }, backoff: { exponential: {} }, limit: { attempt: { count: 5 } } }
  timeouts:
    short: { after: { minutes: 5 } }
do:
  - prepare:
      if: .pets != null
      set: { count: '${ .pets | length }' }
      export: { as: '$context + { count: .count }' }
      metadata: { anything: [1, 2] }
  - each:
      metadata: { parallel: 4 }
      for: { each: pet, in: .pets, at: place }
      do:
        - look:
            call: thing.open
            with: { name: '${ $pet.name }' }
            output: { as: '{ name: $pet.name, place: $place }' }
            timeout: short
      then: decide
  - decide:
      switch:
        - many: { when: .count > 3, then: race }
        - rest: { then: exit }
  - race:
      fork:
        compete: true
        branches:
          - first: { wait: { seconds: 30 } }
          - second: { listen: { to: { one: { with: { type: com.example.ready } } } } }
  - risky:
      try:
        - group:
            metadata: { saga: true }
            do:
              - fail: { raise: { error: closed } }
      catch:
        errors: { with: { status: 409 } }
        as: problem
        when: $problem.status == 409
        retry: patient
        do:
          - note: { set: { error: '${ $problem.title }' } }
        then: end
"#;

#[test]
fn every_supported_task_compiles() {
    let definition = compiled(EVERY_TASK);
    let mut kinds: Vec<_> = definition.nodes.iter().map(|n| (n.reference.as_str(), n.kind.name())).collect();
    kinds.sort();
    let expected = [
        ("/do/0/prepare", "set"),
        ("/do/1/each", "for"),
        ("/do/1/each/do/0/look", "call"),
        ("/do/2/decide", "switch"),
        ("/do/3/race", "fork"),
        ("/do/3/race/fork/branches/0/first", "wait"),
        ("/do/3/race/fork/branches/1/second", "listen"),
        ("/do/4/risky", "try"),
        ("/do/4/risky/catch/do/0/note", "set"),
        ("/do/4/risky/try/0/group", "do"),
        ("/do/4/risky/try/0/group/do/0/fail", "raise"),
    ];
    assert_eq!(kinds, expected);
    assert!(definition.saga);
    assert!(definition.node("/do/4/risky/try/0/group").unwrap().saga);
    assert_eq!(definition.signals.iter().collect::<Vec<_>>(), ["com.example.ready"]);
    for node in &definition.nodes {
        assert!(definition.document.pointer(&node.reference).is_some(), "{}", node.reference);
    }
}

#[test]
fn json_and_yaml_compile_to_the_same_tasks() {
    let yaml = compiled(EVERY_TASK);
    let json = compiled(&serde_json::to_string(&yaml.document).unwrap());
    assert_eq!(yaml.document, json.document);
    assert_eq!(yaml.nodes.len(), json.nodes.len());
    assert_ne!(yaml.digest, json.digest);
}

#[test]
fn only_variables_that_are_mentioned_are_asked_for() {
    let definition = compiled(EVERY_TASK);
    let look = definition.node("/do/1/each/do/0/look").unwrap();
    let formula = look.output.formula.as_ref().unwrap();
    assert_eq!(formula.variables, ["pet", "place"]);
}

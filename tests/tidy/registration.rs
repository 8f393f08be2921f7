//! What lies in a folder of registered things is declared and registered in the list beside it.

use std::collections::BTreeSet;

use crate::finding::{Allowed, Finding, report, sift};
use crate::repo::{Repo, repo};
use crate::source::{Kind, Scope, Source};

/// A folder whose files are each one thing, and the file that lists them.
struct Folder {
    path: &'static str,
    list: &'static str,
    /// Modules that by the layout of the house are no registered thing.
    besides: &'static [&'static str],
    presence: Presence,
}

/// Whether a folder must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

const FOLDERS: &[Folder] = &[
    // Value objects are what entities are made of.
    Folder { path: "actors/src", list: "lib.rs", besides: &["value"], presence: Presence::Required },
    Folder { path: "workflows/src/actions", list: "mod.rs", besides: &[], presence: Presence::Required },
    Folder { path: "workflows/src/connectors", list: "mod.rs", besides: &[], presence: Presence::Required },
    Folder { path: "workflows/src/projections", list: "mod.rs", besides: &[], presence: Presence::Optional },
    Folder {
        path: "workflows/src/rules/actions",
        list: "mod.rs",
        besides: &[],
        presence: Presence::Optional,
    },
    Folder {
        path: "workflows/src/rules/conditions",
        list: "mod.rs",
        besides: &[],
        presence: Presence::Optional,
    },
    Folder { path: "api/src/routes", list: "mod.rs", besides: &[], presence: Presence::Required },
];

/// Calls that register: these names, and those that go on from them with `_`.
const CALLS: &[&str] = &["add", "register", "merge", "nest", "route", "routes"];

/// Other modules in such folders that are no registered thing: `path` is the file, `name` the module's.
const HELPERS: &[Allowed] = &[
    Allowed {
        path: "workflows/src/actions/undoing.rs",
        name: "undoing",
        reason: "what the actions' compensations share",
    },
    Allowed {
        path: "workflows/src/connectors/http/mod.rs",
        name: "http",
        reason: "takes settings, listed by `connectors::with_http`",
    },
    Allowed {
        path: "workflows/src/connectors/runs/mod.rs",
        name: "runs",
        reason: "is of the node itself, added by `App::compose`",
    },
    Allowed {
        path: "workflows/src/connectors/sandbox/mod.rs",
        name: "sandbox",
        reason: "three connectors over one sandbox, listed by `connectors::all`",
    },
];

fn unregistered(repo: &Repo, folders: &[Folder]) -> Vec<Finding> {
    let mut found = Vec::new();
    for folder in folders {
        let modules = modules(repo, folder);
        let list_path = format!("{}/{}", folder.path, folder.list);
        match repo.source(&list_path) {
            Some(list) => found.extend(modules.iter().flat_map(|(name, path)| missing(list, name, path))),
            None if folder.presence == Presence::Required || !modules.is_empty() => {
                let text = format!("is missing: it lists what lies in {}/", folder.path);
                found.push(Finding::new(&list_path, 1, "", text));
            }
            None => {}
        }
    }
    found
}

/// The modules of a folder by name, each with its file; those that are test code left out.
fn modules<'a>(repo: &'a Repo, folder: &Folder) -> Vec<(&'a str, &'a str)> {
    let inside = |source: &'a Source| {
        let rest = source.path.strip_prefix(folder.path)?.strip_prefix('/')?;
        let name = rest.strip_suffix("/mod.rs").unwrap_or(rest.trim_end_matches(".rs"));
        let is_module = rest != folder.list && !name.contains('/') && !folder.besides.contains(&name);
        let is_product =
            source.tokens.is_empty() || source.tokens.iter().any(|token| token.scope == Scope::Product);
        (is_module && is_product).then_some((name, source.path.as_str()))
    };
    repo.sources.iter().filter_map(inside).collect()
}

fn missing(list: &Source, name: &str, path: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if !declared(list).contains(name) {
        found.push(Finding::new(path, 1, name, format!("add `mod {name};` to {}", list.path)));
    }
    if !registered(list).contains(name) {
        let text = format!("register it in {}, as in `.add(...{name}::...)`", list.path);
        found.push(Finding::new(path, 1, name, text));
    }
    found
}

fn declared(list: &Source) -> BTreeSet<&str> {
    let is_product = |index: usize| list.tokens[index].scope == Scope::Product;
    let modules = (0..list.tokens.len()).filter(|index| list.text(*index) == "mod" && is_product(*index));
    modules.map(|index| list.text(index + 1)).collect()
}

/// The names that stand in calls that register, and the modules that those names were imported from.
fn registered(list: &Source) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (index, token) in list.tokens.iter().enumerate() {
        let is_definition = index > 0 && list.text(index - 1) == "fn";
        if token.kind != Kind::Name || token.scope == Scope::Test || is_definition || !registers(&token.text)
        {
            continue;
        }
        let open = after_generics(list, index + 1);
        if list.text(open) == "(" {
            let inside = &list.tokens[index + 1..list.close(open)];
            names.extend(
                inside.iter().filter(|token| token.kind == Kind::Name).map(|token| token.text.clone()),
            );
        }
    }
    let imported = list.imports.iter().filter(|import| names.contains(&import.local));
    let modules: Vec<String> = imported.flat_map(|import| import.path.clone()).collect();
    names.extend(modules);
    names
}

fn registers(name: &str) -> bool {
    CALLS
        .iter()
        .any(|call| name.strip_prefix(call).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
}

/// The index after a turbofish, if one stands at `index`.
fn after_generics(list: &Source, index: usize) -> usize {
    if list.text(index) != "::" || list.text(index + 1) != "<" {
        return index;
    }
    let mut depth = 0_usize;
    for at in index + 1..list.tokens.len() {
        match list.text(at) {
            "<" => depth += 1,
            ">" if list.text(at - 1) != "-" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    list.tokens.len()
}

#[test]
fn what_lies_in_a_folder_is_registered() {
    report("registration in step with folders", sift(unregistered(repo(), FOLDERS), HELPERS));
}

#[cfg(test)]
mod samples {
    use super::*;

    const LIST: &str = "actions/mod.rs";
    const FOLDER: &[Folder] =
        &[Folder { path: "actions", list: "mod.rs", besides: &["value"], presence: Presence::Required }];

    fn check(list: &str, files: &[&str]) -> usize {
        let mut all = vec![(LIST, list)];
        all.extend(files.iter().map(|path| (*path, "struct Action;")));
        unregistered(&Repo::of(&all), FOLDER).len()
    }

    #[test]
    fn each_way_to_register_is_known() {
        let ways = [
            "mod one;\nfn all(c: C) -> C { c.add::<one::Action>()?.add(two()) }",
            "mod one;\nfn all(c: C) -> C { c.add(one::Action::new(x)) }",
            "mod one;\nfn all(c: C) { c.register_action(Box::new(one::Action)); }",
            "pub mod one;\npub use one::Action;\nfn all(c: C) -> C { c.add::<Action>() }",
            "mod one;\nfn all(c: C) -> C { Router::new().merge(one::router()) }",
        ];
        for list in ways {
            assert_eq!(check(list, &["actions/one.rs"]), 0, "{list}");
        }
    }

    #[test]
    fn what_is_not_registered_is_found() {
        let ways = [
            "mod one;\npub use one::Action;\nfn all(c: C) -> C { c }",
            "mod one;\n// .add(one::Action)\nfn all(c: C) -> C { c.add(\"one::Action\") }",
            "mod one;\nfn add(a: one::Action) {}\n#[cfg(test)]\nmod tests { fn f() { c.add(one::Action) } }",
            "fn all(c: C) -> C { c.add(one::Action) }",
        ];
        for list in ways {
            assert_eq!(check(list, &["actions/one.rs"]), 1, "{list}");
        }
    }

    #[test]
    fn folders_are_modules_and_what_lies_deeper_is_not() {
        let list = "mod one;\nfn all(c: C) -> C { c.add(one::Action) }";
        assert_eq!(check(list, &["actions/one/mod.rs", "actions/one/part.rs", "actions/value/mod.rs"]), 0);
        assert_eq!(check("", &["actions/one/mod.rs"]), 2);
    }

    #[test]
    fn a_missing_list_is_found() {
        assert_eq!(unregistered(&Repo::of(&[]), FOLDER).len(), 1);
    }
}

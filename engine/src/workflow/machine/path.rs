//! Instance paths: where in a run something happens.
//!
//! An instance path is a task's JSON pointer with marks: `pieces[2]` is the third iteration of the loop `pieces`,
//! `risky[2]` the second attempt of the `try` named `risky`, `check#3` the third visit of `check` in its list.
//! The empty path is the run itself. Task names hold none of `/ ~ [ ] #`, so that a path reads in one way only.

use super::terms::Part;

/// The static JSON pointer of an instance path.
pub fn reference(path: &str) -> String {
    let plain = |segment: &str| segment.split(['[', '#']).next().unwrap_or_default().to_owned();
    path.split('/').map(plain).collect::<Vec<_>>().join("/")
}

/// The name of the task at a path.
pub(in crate::workflow) fn name(path: &str) -> &str {
    let segment = path.rsplit('/').next().unwrap_or_default();
    segment.split(['[', '#']).next().unwrap_or_default()
}

/// The list that a task stands in.
pub(in crate::workflow) fn list_of(path: &str) -> &str {
    let mut end = path.len();
    for _ in 0..2 {
        end = path[..end].rfind('/').unwrap_or(0);
    }
    &path[..end]
}

/// The place of a task in its list.
pub(in crate::workflow) fn index_of(path: &str) -> usize {
    let list = list_of(path);
    path[list.len()..].split('/').nth(1).and_then(|index| index.parse().ok()).unwrap_or(0)
}

/// A task in a list, at its `visit`th visit.
pub(in crate::workflow) fn child(list: &str, index: usize, name: &str, visit: u32) -> String {
    let mark = if visit > 1 { format!("#{visit}") } else { String::new() };
    format!("{list}/{index}/{name}{mark}")
}

/// The list of a part of a task. `attempt` is that of a `try`, and 1 elsewhere.
pub(in crate::workflow) fn list(owner: &str, part: Part, body: &str, attempt: u32) -> String {
    match part {
        Part::Body if attempt > 1 => format!("{owner}[{attempt}]/{body}"),
        Part::Body => format!("{owner}/{body}"),
        Part::Catch => format!("{owner}/catch/do"),
        Part::Iteration(index) => format!("{owner}[{index}]/{body}"),
        Part::Branch(_) => format!("{owner}/fork/branches"),
    }
}

/// True if a path is another one or lies inside of it.
pub(in crate::workflow) fn within(path: &str, root: &str) -> bool {
    match path.strip_prefix(root) {
        Some(rest) => rest.is_empty() || root.is_empty() || rest.starts_with(['/', '[']),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_in_one_way() {
        let path = "/do/3/pieces#2[10]/do/0/write";
        assert_eq!(reference(path), "/do/3/pieces/do/0/write");
        assert_eq!(list_of(path), "/do/3/pieces#2[10]/do");
        assert_eq!((index_of(path), name(path)), (0, "write"));
        assert_eq!(index_of("/do/12/a"), 12);
        assert_eq!(list_of("/do/0/a"), "/do");
        assert_eq!(child("/do", 1, "a", 3), "/do/1/a#3");
    }

    #[test]
    fn inside_means_the_same_task_and_visit() {
        for inside in ["/do/1/a", "/do/1/a/do/0/b", "/do/1/a[2]/do/0/b"] {
            assert!(within(inside, "/do/1/a") && within(inside, ""), "{inside}");
        }
        for outside in ["/do/1/ab", "/do/1/a#2", "/do/1", "/do/2/a"] {
            assert!(!within(outside, "/do/1/a"), "{outside}");
        }
    }
}

//! The name that was probably meant.

/// The longest name that is compared, in bytes.
const LONGEST: usize = 128;

/// Finds the known name that is nearest to one that is not known, if it is near enough to be meant.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let most = name.chars().count() / 3;
    // So many letters more or fewer are as many edits at least.
    let may_be =
        |known: &&str| known.len() <= LONGEST && known.chars().count().abs_diff(name.chars().count()) <= most;
    let near = known.into_iter().filter(may_be).map(|known| (distance(known, name), known)).min()?;
    (near.0 <= most).then_some(near.1)
}

/// What to do about an unknown name: take the one that was probably meant, or else what is said here.
pub(crate) fn suggestion<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(name, known).map_or_else(otherwise, |known| format!("did you mean `{known}`?"))
}

/// The number of edits between two names: letters added, removed, changed, and neighbours swapped (the optimal
/// string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        rows[2][0] = i;
        for j in 1..=b.len() {
            let change = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[1][j] + 1).min(rows[2][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[0][j - 2] + 1);
            }
            rows[2][j] = least;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let cases = [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("wait", "wiat", 1),
            ("ab", "ba", 1),
            ("é", "e", 1),
        ];
        for (a, b, edits) in cases {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["call", "wait", "catch", "thing.open"];
        let cases = [
            ("cal", Some("call")),
            ("wiat", Some("wait")),
            ("cathc", Some("catch")),
            ("thing.opne", Some("thing.open")),
            ("listen", None),
            ("x", None),
        ];
        for (name, meant) in cases {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        assert_eq!(suggestion("zap", known, || "remove it".to_owned()), "remove it");
    }
}

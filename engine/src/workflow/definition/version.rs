//! Semantic versions (semver.org 2.0.0): their form and their order.

use std::cmp::Ordering;

/// True if the text is a semantic version.
pub fn is_semver(text: &str) -> bool {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<&str> = core.split('.').collect();
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let plain = |part: &str| !is_digits(part) || is_number(part);
    text.len() <= 64
        && numbers.len() == 3
        && numbers.into_iter().all(is_number)
        && pre.is_none_or(|pre| pre.split('.').all(|part| word(part) && plain(part)))
        && build.is_none_or(|build| build.split('.').all(word))
}

/// Compares two semantic versions by their precedence; where that is equal, as text.
pub fn compare_semver(a: &str, b: &str) -> Ordering {
    let split = |text: &str| {
        let rest = text.split('+').next().unwrap_or_default().to_owned();
        let (core, pre) = rest.split_once('-').map_or((rest.as_str(), None), |(c, p)| (c, Some(p)));
        let numbers: Vec<u64> = core.split('.').map(|n| n.parse().unwrap_or(u64::MAX)).collect();
        (numbers, pre.map(str::to_owned))
    };
    let ((core_a, pre_a), (core_b, pre_b)) = (split(a), split(b));
    let pre = match (pre_a, pre_b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => compare_pre(&a, &b),
    };
    core_a.cmp(&core_b).then(pre).then_with(|| a.cmp(b))
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn is_number(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0')) && text.len() <= 18
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_checked() {
        for good in ["0.1.0", "1.0.0-alpha.1", "1.0.0-x-y+build.5", "10.20.30"] {
            assert!(is_semver(good), "{good}");
        }
        for bad in ["1.0", "1", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "", "1.0.0.0"] {
            assert!(!is_semver(bad), "{bad}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_standard() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.2.0",
            "1.10.0",
            "2.0.0",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare_semver(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }
}

//! The right word for a misspelt one.

/// Longer words are no slips, and the distance takes time and memory in proportion.
const LONGEST: usize = 200;

/// The candidate that `word` most probably was meant to be, if any is near enough to be worth saying.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= slack(word, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// One slip of the finger in a short word, a third of a longer one.
fn slack(word: &str, candidate: &str) -> usize {
    (word.chars().count().max(candidate.chars().count()) / 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = ["memory", "cpus", "ip", "forward", "box"];
        assert_eq!(nearest("memroy", keys), Some("memory"));
        assert_eq!(nearest("Memory", keys), Some("memory"));
        assert_eq!(nearest("cpu", keys), Some("cpus"));
        assert_eq!(nearest("forwards", keys), Some("forward"));
        assert_eq!(nearest("disk", keys), None);
        assert_eq!(nearest("", keys), None);
    }
}

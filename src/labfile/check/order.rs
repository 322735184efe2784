//! `after`: which machine waits for which.

use std::collections::{HashMap, VecDeque};

use crate::labfile::names::shown;
use crate::labfile::problem::Problem;
use crate::labfile::raw::{At, Cx, RawMachine};
use crate::nearest::nearest;

/// A misspelt name is compared with so many machines at most.
const COMPARED: usize = 200;

/// Reports names in `after` that are no machine's, and machines that would wait for each other for ever.
pub(super) fn check(cx: &mut Cx<'_>, machines: &[RawMachine]) {
    let index: HashMap<&str, usize> =
        machines.iter().enumerate().map(|(index, machine)| (machine.name.value.as_str(), index)).collect();
    let mut edges: Vec<Vec<(usize, &At<String>)>> = vec![Vec::new(); machines.len()];
    for (machine, edges) in machines.iter().zip(&mut edges) {
        for name in &machine.after {
            let own = &machine.name.value;
            match index.get(name.value.as_str()) {
                _ if name.value == *own => cx.push(
                    Problem::error(
                        "cycle",
                        name.span.clone(),
                        format!("{} would wait for itself", shown(own)),
                    )
                    .hint("take it out of `after`"),
                ),
                Some(other) => edges.push((*other, name)),
                None => {
                    let problem = unknown(name, own, machines, cx.is_patient());
                    cx.push(problem);
                }
            }
        }
    }
    for circle in circles(&edges) {
        cx.push(problem(&circle, machines));
    }
}

fn unknown(name: &At<String>, own: &str, machines: &[RawMachine], is_patient: bool) -> Problem {
    let others = || machines.iter().map(|machine| machine.name.value.as_str()).filter(|other| *other != own);
    let problem =
        Problem::error("unknown-machine", name.span.clone(), format!("there is no machine `{}`", name.value))
            .of_absence();
    if !is_patient {
        return problem.hint("write the name of a machine of this Labfile");
    }
    match nearest(&name.value, others().take(COMPARED)) {
        Some(meant) => problem.hint(format!("did you mean \"{meant}\"?")),
        None if others().next().is_none() => problem.hint("there is no other machine to wait for"),
        None => problem
            .hint(format!("there are: {}", others().take(12).map(shown).collect::<Vec<_>>().join(", "))),
    }
}

/// One wait: who, for whom, and where that is written.
type Wait<'a> = (usize, usize, &'a At<String>);

/// The waits of each machine: for whom, and where that is written.
type Edges<'a> = [Vec<(usize, &'a At<String>)>];

/// A circle of machines that wait for each other.
struct Circle<'a> {
    /// The way round.
    waits: Vec<Wait<'a>>,
    /// How many machines wait for each other, on this way round or another.
    size: usize,
}

/// The circles: for all machines that wait for each other, directly or through others, one way round. It is the shortest
/// of those through the machine that stands first.
fn circles<'a>(edges: &Edges<'a>) -> Vec<Circle<'a>> {
    let knots = knots(edges);
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    knots.iter().for_each(|knot| *sizes.entry(*knot).or_default() += 1);
    let mut found = Vec::new();
    for (start, knot) in knots.iter().enumerate() {
        // The first machine of a knot takes its size away: the others are none of a new circle.
        match sizes.remove(knot) {
            Some(size) if size > 1 => found.push(Circle { waits: way_round(edges, &knots, start), size }),
            _ => {}
        }
    }
    found
}

/// For each machine the number of its knot: machines that wait for each other, directly or through others, have the same
/// (strongly connected components, by Tarjan's algorithm). Time and memory grow as the number of waits does. Without
/// recursion: machines may wait in a row as long as there are machines.
fn knots(edges: &Edges<'_>) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let count = edges.len();
    // When each machine was met, the earliest one that can be reached from it and is still open, and its knot.
    let (mut met, mut low, mut knot) = (vec![NONE; count], vec![NONE; count], vec![NONE; count]);
    let (mut clock, mut open) = (0, Vec::new());
    let at = |list: &[usize], index: usize| list.get(index).copied().unwrap_or(NONE);
    let set = |list: &mut [usize], index: usize, value: usize| {
        if let Some(slot) = list.get_mut(index) {
            *slot = value;
        }
    };
    for start in 0..count {
        if at(&met, start) != NONE {
            continue;
        }
        // The path so far: a machine, and how many of its waits have been followed.
        let mut path = vec![(start, 0)];
        while let Some((here, followed)) = path.last_mut() {
            let here = *here;
            if *followed == 0 {
                set(&mut met, here, clock);
                set(&mut low, here, clock);
                clock += 1;
                open.push(here);
            }
            let next = edges.get(here).and_then(|edges| edges.get(*followed)).map(|(to, _)| *to);
            *followed += 1;
            if let Some(to) = next {
                if at(&met, to) == NONE {
                    path.push((to, 0));
                } else if at(&knot, to) == NONE {
                    let lowest = at(&low, here).min(at(&met, to));
                    set(&mut low, here, lowest);
                }
                continue;
            }
            path.pop();
            if let Some((before, _)) = path.last() {
                let lowest = at(&low, *before).min(at(&low, here));
                set(&mut low, *before, lowest);
            }
            if at(&low, here) == at(&met, here) {
                while let Some(member) = open.pop() {
                    set(&mut knot, member, here);
                    if member == here {
                        break;
                    }
                }
            }
        }
    }
    knot
}

/// The shortest way from `start` through its knot back to it.
fn way_round<'a>(edges: &Edges<'a>, knots: &[usize], start: usize) -> Vec<Wait<'a>> {
    let mut came: HashMap<usize, Wait<'a>> = HashMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(from) = next.pop_front().filter(|_| !came.contains_key(&start)) {
        for (to, name) in edges.get(from).into_iter().flatten() {
            if knots.get(*to) == knots.get(start) && !came.contains_key(to) {
                came.insert(*to, (from, *to, *name));
                next.push_back(*to);
            }
        }
    }
    let mut waits = Vec::new();
    let mut at = start;
    while let Some(wait) = came.remove(&at) {
        waits.push(wait);
        at = wait.0;
    }
    waits.reverse();
    waits
}

/// So many machines of a circle are named at most.
const NAMED: usize = 12;

fn problem(circle: &Circle<'_>, machines: &[RawMachine]) -> Problem {
    let name = |index: usize| {
        machines.get(index).map_or_else(Default::default, |machine| shown(&machine.name.value))
    };
    let waits = &circle.waits;
    let mut names: Vec<_> = waits.iter().map(|(from, ..)| name(*from)).collect();
    let first = names.first().cloned().unwrap_or_default();
    if names.len() > NAMED {
        names.truncate(NAMED);
        names.push("…".into());
    }
    names.push(first);
    let message = format!("machines wait for each other: {}", names.join(" → "));
    let span = waits.last().map_or(0..0, |(_, _, at)| at.span.clone());
    let mut problem = Problem::error("cycle", span, message).hint("take one of these out of its `after`");
    if circle.size > waits.len() {
        let (all, on_it) = (circle.size, waits.len());
        problem = problem.hint(format!("{all} machines wait for each other in all, these {on_it} and more"));
    }
    for (from, to, at) in waits.iter().take(waits.len().saturating_sub(1).min(NAMED)) {
        problem = problem.also(at.span.clone(), format!("{} waits for {}", name(*from), name(*to)));
    }
    if let Some((from, to, _)) = waits.last() {
        problem = problem.label(format!("{} waits for {}", name(*from), name(*to)));
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of machines 0, 1, … that wait for those in their lists.
    fn of(waits: &[&[usize]]) -> Vec<(Vec<usize>, usize)> {
        let at = At { value: String::new(), span: 0..0 };
        let edges: Vec<Vec<_>> = waits.iter().map(|to| to.iter().map(|to| (*to, &at)).collect()).collect();
        let circles = circles(&edges).into_iter();
        circles.map(|circle| (circle.waits.iter().map(|wait| wait.0).collect(), circle.size)).collect()
    }

    #[test]
    fn each_knot_is_told_once_by_its_shortest_way_round() {
        assert_eq!(of(&[&[1], &[2], &[]]), []);
        assert_eq!(of(&[&[1], &[2], &[0]]), [(vec![0, 1, 2], 3)]);
        assert_eq!(of(&[&[1, 2], &[2], &[0]]), [(vec![0, 2], 3)]);
        // Two circles with a way from one to the other, and one who waits for both.
        assert_eq!(of(&[&[1], &[0, 2], &[3], &[2], &[1, 3]]), [(vec![0, 1], 2), (vec![2, 3], 2)]);
        // What only waits for a circle is none of it.
        assert_eq!(of(&[&[1], &[2], &[1]]), [(vec![1, 2], 2)]);
    }

    #[test]
    fn the_work_grows_as_the_number_of_waits_does() {
        // Each machine waits for all others: 360,000 waits, and more ways round than could be counted.
        let all: Vec<usize> = (0..600).collect();
        let waits: Vec<&[usize]> = all.iter().map(|_| all.as_slice()).collect();
        assert_eq!(of(&waits), [(vec![0], 600)], "the shortest way round is to itself");
        // A long row, each waiting for all before it and for the next.
        let rows: Vec<Vec<usize>> = (0..600).map(|n| (0..n).chain([(n + 1) % 600]).collect()).collect();
        let waits: Vec<&[usize]> = rows.iter().map(Vec::as_slice).collect();
        assert_eq!(of(&waits), [(vec![0, 1], 600)]);
    }
}

//! `after`: which machine waits for which.

use std::collections::HashMap;

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
                    Problem::error("cycle", name.span.clone(), format!("{own} would wait for itself"))
                        .hint("take it out of `after`"),
                ),
                Some(other) => edges.push((*other, name)),
                None => cx.push(unknown(name, own, machines)),
            }
        }
    }
    for cycle in cycles(&edges) {
        cx.push(problem(&cycle, machines));
    }
}

fn unknown(name: &At<String>, own: &str, machines: &[RawMachine]) -> Problem {
    let others = || machines.iter().map(|machine| machine.name.value.as_str()).filter(|other| *other != own);
    let problem =
        Problem::error("unknown-machine", name.span.clone(), format!("there is no machine `{}`", name.value))
            .of_absence();
    match nearest(&name.value, others().take(COMPARED)) {
        Some(meant) => problem.hint(format!("did you mean \"{meant}\"?")),
        None if others().next().is_none() => problem.hint("there is no other machine to wait for"),
        None => problem.hint(format!("there are: {}", others().take(12).collect::<Vec<_>>().join(", "))),
    }
}

/// One wait: who, for whom, and where that is written.
type Wait<'a> = (usize, usize, &'a At<String>);

/// Circles of machines that wait for each other, each circle once. Depth first, without recursion: a Labfile may name
/// thousands of machines in a row.
fn cycles<'a>(edges: &[Vec<(usize, &'a At<String>)>]) -> Vec<Vec<Wait<'a>>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnPath,
        Done,
    }
    let mut seen = vec![Seen::Not; edges.len()];
    let mut found = Vec::new();
    for start in 0..edges.len() {
        if seen.get(start) != Some(&Seen::Not) {
            continue;
        }
        // The path so far: a machine, and how many of its waits have been followed.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        let mut waits: Vec<Wait<'a>> = Vec::new();
        while let Some((at, followed)) = path.last_mut() {
            if let Some(state) = seen.get_mut(*at) {
                *state = Seen::OnPath;
            }
            let (from, next) = (*at, edges.get(*at).and_then(|edges| edges.get(*followed)));
            *followed += 1;
            match next.map(|(to, name)| (*to, *name, seen.get(*to).copied())) {
                Some((to, name, Some(Seen::Not))) => {
                    waits.push((from, to, name));
                    path.push((to, 0));
                }
                Some((to, name, Some(Seen::OnPath))) => {
                    let begin = path.iter().position(|(at, _)| *at == to).unwrap_or(0);
                    let mut cycle = waits.get(begin..).unwrap_or_default().to_vec();
                    cycle.push((from, to, name));
                    found.push(cycle);
                }
                Some(_) => {}
                None => {
                    if let Some(state) = seen.get_mut(from) {
                        *state = Seen::Done;
                    }
                    path.pop();
                    waits.pop();
                }
            }
        }
    }
    found
}

fn problem(cycle: &[Wait<'_>], machines: &[RawMachine]) -> Problem {
    let name = |index: usize| machines.get(index).map_or("", |machine| machine.name.value.as_str());
    let circle: Vec<_> = cycle
        .iter()
        .map(|(from, ..)| name(*from))
        .chain(cycle.first().map(|(from, ..)| name(*from)))
        .collect();
    let span = cycle.last().map_or(0..0, |(_, _, at)| at.span.clone());
    let message = format!("machines wait for each other: {}", circle.join(" → "));
    let mut problem = Problem::error("cycle", span, message).hint("take one of these out of its `after`");
    for (from, to, at) in cycle.iter().take(cycle.len().saturating_sub(1)) {
        problem = problem.also(at.span.clone(), format!("{} waits for {}", name(*from), name(*to)));
    }
    if let Some((from, to, _)) = cycle.last() {
        problem = problem.label(format!("{} waits for {}", name(*from), name(*to)));
    }
    problem
}

//! Results for people and for tools.

use super::cases::Official;
use ingrain_compiler::harness::{Outcome, Reason};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The table of operators, the reasons of failure, and the last line.
pub fn print(cases: &[Official], outcomes: &[Outcome], verbose: bool) {
    print_operators(cases, outcomes);
    let failures: Vec<(&Official, &Outcome)> =
        cases.iter().zip(outcomes).filter(|(_, o)| o.reason != Reason::Passed).collect();
    print_reasons(&failures);
    if verbose {
        println!("\nFailures");
        for (official, outcome) in &failures {
            println!("  {} {}: {}", official.kind, official.case.name, first_line(&outcome.detail));
        }
    }
    println!("\n{}", last_line(outcomes));
}

/// `N passed, M failed`.
fn last_line(outcomes: &[Outcome]) -> String {
    let passed = outcomes.iter().filter(|o| o.reason == Reason::Passed).count();
    format!("{passed} passed, {} failed", outcomes.len() - passed)
}

fn print_operators(cases: &[Official], outcomes: &[Outcome]) {
    let mut operators: BTreeMap<&str, (usize, BTreeMap<Reason, usize>)> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (official, outcome) in cases.iter().zip(outcomes) {
        let (all, reasons) = operators.entry(&official.operator).or_default();
        *all += 1;
        *reasons.entry(outcome.reason).or_default() += 1;
        let (passed, all) = kinds.entry(official.kind).or_default();
        *passed += usize::from(outcome.reason == Reason::Passed);
        *all += 1;
    }
    println!("{:36} passed    of", "operator");
    for (operator, (all, mut reasons)) in operators {
        let passed = reasons.remove(&Reason::Passed).unwrap_or(0);
        let rest: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} {}", r.text())).collect();
        println!("{operator:36} {passed:6} {all:5}  {}", rest.join(", "));
    }
    println!("\n{:36} passed    of", "kind");
    for (kind, (passed, all)) in kinds {
        println!("{kind:36} {passed:6} {all:5}");
    }
}

fn print_reasons(failures: &[(&Official, &Outcome)]) {
    const MESSAGES: usize = 40;
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    let mut messages: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for (official, outcome) in failures {
        *reasons.entry(outcome.reason).or_default() += 1;
        messages.entry(general(&outcome.detail)).or_insert((0, &official.case.name)).0 += 1;
    }
    println!("\nWhy cases fail");
    for (reason, count) in reasons {
        println!("{count:6}  {}", reason.text());
    }
    println!("\nMost frequent messages");
    let mut messages: Vec<(String, (usize, &str))> = messages.into_iter().collect();
    messages.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(&b.0)));
    for (message, (count, example)) in messages.iter().take(MESSAGES) {
        println!("{count:6}  {message} (as {example})");
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A message without what differs from case to case: node names, quoted values and numbers.
fn general(detail: &str) -> String {
    let line = first_line(detail);
    let line = line.split(" (node ").next().unwrap_or(line);
    let mut text = String::new();
    let mut in_number = false;
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            text.push('…');
            continue;
        }
        for c in part.chars() {
            // A code such as E004 says what the message is.
            let digit = c.is_ascii_digit() && text.len() > 4;
            if digit && !in_number {
                text.push('N');
            } else if !digit {
                text.push(c);
            }
            in_number = digit;
        }
    }
    text
}

/// Everything, for tools.
pub fn to_json(cases: &[Official], outcomes: &[Outcome]) -> Value {
    let results: Vec<Value> = cases
        .iter()
        .zip(outcomes)
        .map(|(official, outcome)| {
            json!({
                "case": official.case.name,
                "kind": official.kind,
                "operator": official.operator,
                "status": outcome.reason.status(),
                "reason": outcome.reason.text(),
                "max_abs_err": outcome.max_abs_err,
                "max_rel_err": outcome.max_rel_err,
                "detail": outcome.detail,
            })
        })
        .collect();
    let passed = outcomes.iter().filter(|o| o.reason == Reason::Passed).count();
    json!({ "results": results, "passed": passed, "failed": outcomes.len() - passed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_same_kind_are_one() {
        let first = general("E004 Conv does not take \"a\" of 17 axes (node 3 \"x\")\nmore");
        assert_eq!(first, "E004 Conv does not take … of N axes");
        assert_eq!(first, general("E004 Conv does not take \"bc\" of 5 axes (node 12 \"y\")"));
    }
}

//! A picture of a lab: its machines on their network, their forwards, and who waits for whom.

use std::collections::BTreeMap;

use crate::labfile::Labfile;
use crate::labfile::model::{Forward, Machine};

/// What is written on a machine: name, address, memory, each on a line.
fn labels(machine: &Machine) -> Vec<String> {
    let mut lines = vec![machine.name.clone(), machine.ip.to_string()];
    lines.extend(machine.memory_mib.map(|mib| format!("{mib} MiB")));
    lines
}

fn ports(forward: &Forward) -> String {
    format!("{} → {}", forward.host, forward.guest)
}

/// The network as it is written: `192.168.56.0/24`.
fn network(labfile: &Labfile) -> String {
    format!("{}/{}", labfile.network.address, labfile.network.prefix)
}

/// The lab as a flow chart of Mermaid, which many wikis and forges draw.
pub fn mermaid(labfile: &Labfile) -> String {
    let mut text = format!("flowchart TB\n    net([\"{}\"])\n", network(labfile));
    let forwards = labfile.machines.iter().any(|machine| !machine.forwards.is_empty());
    if forwards {
        text += "    host{{\"this computer<br>127.0.0.1\"}}\n";
    }
    // Machines are called by number: a name such as `end` is a word of Mermaid's own.
    let number: BTreeMap<&str, usize> =
        labfile.machines.iter().enumerate().map(|(place, machine)| (machine.name.as_str(), place)).collect();
    for (place, machine) in labfile.machines.iter().enumerate() {
        text += &format!("    m{place}[\"{}\"]\n    m{place} --- net\n", labels(machine).join("<br>"));
        for forward in &machine.forwards {
            text += &format!("    host -->|\"{}\"| m{place}\n", ports(forward));
        }
        for other in machine.after.iter().filter_map(|name| number.get(name.as_str())) {
            text += &format!("    m{other} -.->|\"before\"| m{place}\n");
        }
    }
    text
}

/// Measures of the drawing, in pixels.
const WIDTH: usize = 170;
const HEIGHT: usize = 76;
const GAP: usize = 30;
const ROW: usize = 5;

/// The lab as an SVG image: the machines in rows, each row on the network's line.
pub fn svg(labfile: &Labfile) -> String {
    let machines = &labfile.machines;
    let columns = machines.len().clamp(1, ROW);
    let most_forwards = machines.iter().map(|machine| machine.forwards.len()).max().unwrap_or(0);
    let row_height = HEIGHT + 60 + most_forwards * 16;
    let width = GAP + columns * (WIDTH + GAP);
    let height = 50 + machines.len().div_ceil(ROW) * row_height + GAP;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>{0}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{GAP}\" y=\"30\" font-size=\"18\" font-weight=\"bold\">{0}</text>\n",
        escaped(&labfile.name)
    );
    for (place, machine) in machines.iter().enumerate() {
        let (row, column) = (place / ROW, place % ROW);
        let (x, line_y) = (GAP + column * (WIDTH + GAP), 70 + row * row_height);
        if column == 0 {
            let end = width - GAP;
            text += &format!(
                "<line x1=\"{GAP}\" y1=\"{line_y}\" x2=\"{end}\" y2=\"{line_y}\" stroke=\"#36c\" stroke-width=\"3\"/>\n\
                 <text x=\"{GAP}\" y=\"{}\" fill=\"#36c\">{}</text>\n",
                line_y - 6,
                network(labfile)
            );
        }
        let (middle, top) = (x + WIDTH / 2, line_y + 24);
        text += &format!(
            "<line x1=\"{middle}\" y1=\"{line_y}\" x2=\"{middle}\" y2=\"{top}\" stroke=\"#36c\" stroke-width=\"2\"/>\n\
             <rect x=\"{x}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"#eef3ff\" stroke=\"#36c\"/>\n"
        );
        for (number, label) in labels(machine).iter().enumerate() {
            let weight = if number == 0 { " font-weight=\"bold\"" } else { "" };
            text += &format!(
                "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\"{weight}>{}</text>\n",
                top + 22 + number * 20,
                escaped(&shortened(label))
            );
        }
        for (number, forward) in machine.forwards.iter().enumerate() {
            text += &format!(
                "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#555\">127.0.0.1:{}</text>\n",
                top + HEIGHT + 16 + number * 16,
                ports(forward)
            );
        }
    }
    text + "</svg>\n"
}

/// A label that fits into its box.
fn shortened(label: &str) -> String {
    const MOST: usize = 21;
    match label.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", label.get(..end).unwrap_or_default()),
        None => label.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::labfile::parse;

    #[allow(clippy::unwrap_used, reason = "a test's helper may stop at the first surprise")]
    fn labfile(text: &str) -> Labfile {
        parse(text, Path::new("/nowhere/Labfile")).map_err(|report| report.render(false)).unwrap().labfile
    }

    #[test]
    fn mermaid_names_machines_forwards_and_order() {
        let lab = labfile(
            "[lab]\nbox = \"demo\"\n[machine.end]\nmemory = \"256 MiB\"\nforward = [\"8080:80\"]\nafter = [\"db\"]\n[machine.db]\n",
        );
        let expected = "flowchart TB\n    net([\"192.168.56.0/24\"])\n    host{{\"this computer<br>127.0.0.1\"}}\n    \
            m0[\"end<br>192.168.56.10<br>256 MiB\"]\n    m0 --- net\n    host -->|\"8080 → 80\"| m0\n    \
            m1 -.->|\"before\"| m0\n    m1[\"db<br>192.168.56.11\"]\n    m1 --- net\n";
        assert_eq!(mermaid(&lab), expected);
    }

    #[test]
    fn svg_is_well_formed_and_has_every_machine() {
        let machines: String = (0..12)
            .map(|n| format!("[machine.m{n}-{}]\nforward = [\"{}:80\"]\n", "x".repeat(40), 8000 + n))
            .collect();
        let lab = labfile(&format!("[lab]\nbox = \"demo\"\n{machines}"));
        let text = svg(&lab);
        let tree = roxmltree::Document::parse(&text).unwrap();
        let boxes = tree.descendants().filter(|node| node.attribute("rx").is_some()).count();
        assert_eq!(boxes, 12);
        assert!(text.contains("127.0.0.1:8011 → 80"));
    }
}

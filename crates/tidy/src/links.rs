//! Links from one document to a file of the checkout lead somewhere.

use crate::tree::{assert_none, root, sources};

/// The targets of a document's links, without addresses and places within the document.
fn targets(text: &str) -> Vec<&str> {
    let rest = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    rest.filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.starts_with('/'))
        .collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let root = root();
    let mut found = Vec::new();
    for page in sources(".md") {
        let folder = root.join(&page.path);
        for target in targets(&page.text) {
            if !folder.parent().unwrap().join(target).exists() {
                found.push(format!("{}: there is no {target}", page.path));
            }
        }
    }
    assert_none(&found);
}

#[test]
fn links_are_found() {
    let text = "[a](b.md#c) [d](https://e) ![f](../g.png \"h\") [i](#j)";
    assert_eq!(targets(text), ["b.md", "../g.png"]);
}

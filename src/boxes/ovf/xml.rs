//! Looking things up in the XML of an OVF.

use roxmltree::Node;

use crate::error::{Error, Kind};

/// Element and attribute names are looked up without their name spaces, which differ between OVF
/// versions; no two names of interest collide.
pub(super) fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

pub(super) fn children<'d>(node: Node<'d, 'd>, name: &'static str) -> impl Iterator<Item = Node<'d, 'd>> {
    node.children().filter(move |node| is(*node, name))
}

pub(super) fn child<'d>(node: Node<'d, 'd>, name: &'static str) -> Option<Node<'d, 'd>> {
    children(node, name).next()
}

pub(super) fn attribute<'d>(node: Node<'d, 'd>, name: &str) -> Option<&'d str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
}

/// An OVF that cannot be used.
pub(super) fn bad(why: &str) -> Error {
    Error::new(Kind::BadBox, format!("the box's OVF cannot be used: {why}"))
}

//! What a provider is told of one machine: small, and the same for every provider.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::boxes::seed::Seed;
use crate::boxes::{Hardware, Mac};
use crate::error::{Error, Kind, Result};

/// All that a provider needs to know of one machine. Made from the Labfile and the state.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineSpec {
    /// The machine's name in the Labfile.
    pub name: String,
    /// The lab's name, for titles.
    pub lab: String,
    /// The lab's id: machines and networks of different labs never mix.
    pub lab_id: String,
    /// A UUID, made once, kept in the state: the machine's identity for the provider.
    pub id: String,
    /// The machine's own folder on this computer, there before the provider is called. Disks and logs go here.
    pub dir: PathBuf,
    /// A folder outside of `dir`, which need not be there: for what lies in `dir` and is the user's, when `dir` goes.
    pub kept_dir: PathBuf,
    /// The box that it is made from.
    pub image: BoxRef,
    /// The hardware: the box's, with the Labfile's memory and CPUs put in.
    pub hardware: Hardware,
    /// The private network.
    pub network: PrivateNetwork,
    /// Ports of this computer that lead into the machine, besides ssh.
    pub forwards: Vec<PortForward>,
    /// For a machine that may have no user yet: the user to tell it.
    pub seed: Option<SeedUser>,
    /// What only this provider reads.
    pub own: Own,
}

impl MachineSpec {
    /// The disc that tells the machine its user, to be attached to it from its first start on; `None` for
    /// a machine that has one.
    ///
    /// # Errors
    /// [`Kind::Io`] where the public key cannot be read.
    pub fn seed_disc(&self) -> Result<Option<Vec<u8>>> {
        let Some(SeedUser { user, public_key }) = &self.seed else { return Ok(None) };
        let text =
            std::fs::read_to_string(public_key).map_err(|source| Error::io("read", public_key, &source))?;
        let seed = Seed { instance: &self.id, hostname: &self.name, user, public_key: &text };
        Ok(Some(seed.image()))
    }
}

/// A box, by name and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxRef {
    /// The name that it is asked for by, for people.
    pub name: String,
    /// The sha256 of the box file, 64 lower-case hex digits: its identity in the store.
    pub digest: String,
}

/// The user that a seed tells a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedUser {
    /// The user's name.
    pub user: String,
    /// The file with the public key that opens the machine.
    pub public_key: PathBuf,
}

/// The private network of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateNetwork {
    /// The network's address.
    pub address: Ipv4Addr,
    /// Its prefix length in bits.
    pub prefix: u8,
    /// This computer is to have no place on it, though the provider could give it one.
    pub internal: bool,
}

impl PrivateNetwork {
    /// A network of which nothing is known.
    pub const UNKNOWN: Self = PrivateNetwork { address: Ipv4Addr::UNSPECIFIED, prefix: 0, internal: false };

    /// The netmask, for example 255.255.255.0.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0))
    }

    /// This computer's address, where it has a place on the network: the first one.
    pub fn host_address(&self) -> Ipv4Addr {
        Self::first_address(self.address)
    }

    /// The first address of the network at `address`.
    pub fn first_address(address: Ipv4Addr) -> Ipv4Addr {
        Ipv4Addr::from_bits(address.to_bits().saturating_add(1))
    }
}

/// A port of this computer that leads to a port of the guest. TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortForward {
    /// On this computer.
    pub host: u16,
    /// In the guest.
    pub guest: u16,
}

/// What only one provider knows and reads. Everyone else keeps it and hands it on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Own {
    /// What the provider decided of the lab ([`super::Provider::plan_lab`]).
    pub lab: Block,
    /// What it decided of the machine ([`super::Provider::plan_machine`]).
    pub machine: Block,
    /// The provider's settings in the box's entry of the catalogue, empty where there are none.
    pub for_box: Block,
    /// The provider's section of the machine in the Labfile, empty where there is none.
    pub settings: Block,
}

/// Data of one provider's own, opaque to everyone else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Block(serde_json::Value);

impl Block {
    /// `value` as a block.
    ///
    /// # Errors
    /// [`Kind::Internal`] for a type that has no form in JSON.
    pub fn of(value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value);
        value.map(Block).map_err(|error| Error::internal(format!("a provider's data: {error}")))
    }

    /// It, for whoever keeps it.
    pub fn as_value(&self) -> &serde_json::Value {
        &self.0
    }

    /// Whether nothing has been put in.
    pub fn is_empty(&self) -> bool {
        self.0.is_null()
    }

    /// What was put in. An empty block is the default.
    ///
    /// # Errors
    /// [`Kind::StateDamaged`] where something else stands there.
    pub fn read<T: DeserializeOwned + Default>(&self) -> Result<T> {
        if self.is_empty() {
            return Ok(T::default());
        }
        T::deserialize(&self.0).map_err(|error| {
            Error::new(Kind::StateDamaged, "the lab's state is not what this provider wrote")
                .detail(error.to_string())
                .hint("`lab destroy` removes the lab, then `lab up` makes it anew")
        })
    }
}

/// What a provider may know when it decides what only it needs to know of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The machine's name.
    pub name: &'a str,
    /// The MAC address that the guest expects its first card to have: that of its box.
    pub base_mac: Option<Mac>,
}

/// What a provider has decided.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// To be kept in the state.
    pub own: Block,
    /// What has changed, in words for people.
    pub notes: Vec<String>,
}

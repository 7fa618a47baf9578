//! Which proxies are believed.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The proxies in front of the server: addresses and networks (RFC 4632), with spaces in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxies(Vec<IpNet>);

/// A text that is no list of networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network: write 10.0.0.1, 10.0.0.0/8, ::1 or fd00::/8")]
pub struct ProxyError(String);

impl Proxies {
    /// Reads the list.
    ///
    /// # Errors
    /// An entry is neither an address nor a network.
    pub fn new(text: &str) -> Result<Self, ProxyError> {
        let network = |entry: &str| {
            let address = entry.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| entry.parse()).map_err(|_| ProxyError(entry.to_owned()))
        };
        text.split_ascii_whitespace().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is one of them at `address`.
    #[must_use]
    pub fn include(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

impl TryFrom<String> for Proxies {
    type Error = ProxyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Proxies> for String {
    fn from(proxies: Proxies) -> Self {
        let entries: Self = proxies.0.iter().map(|network| format!("{network} ")).collect();
        entries.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_includes_its_addresses_and_what_lies_in_its_networks() {
        let proxies = Proxies::new(" 192.0.2.7  10.0.0.0/8 2001:db8::/32 ::1").unwrap();
        let includes = |address: &str| proxies.include(address.parse().unwrap());
        for proxy in ["192.0.2.7", "10.255.0.1", "::ffff:10.1.2.3", "2001:db8:ffff::", "::1"] {
            assert!(includes(proxy), "{proxy}");
        }
        for other in ["192.0.2.8", "11.0.0.1", "127.0.0.1", "::2", "2001:db9::"] {
            assert!(!includes(other), "{other}");
        }
        let written = String::from(proxies.clone());
        assert_eq!(Proxies::new(&written), Ok(proxies));
    }

    #[test]
    fn what_is_none_is_named() {
        for wrong in ["10.0.0.0/33", "10.0.0", "proxy.example.org", "*", "1.2.3.4:80", "10.0.0.0/", "::/129"] {
            let error = Proxies::new(&format!("::1 {wrong}")).unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }
}

//! The figures that a core counts one by one: what each of them is.

/// The reference's five groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// How many connections there are, and people and documents behind them.
    Connections,
    /// Messages a second, by type.
    Throughput,
    /// How long messages take.
    Latency,
    /// What went wrong.
    Errors,
    /// What the server uses of the machine.
    Resources,
}

impl Group {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 5] = [Self::Connections, Self::Throughput, Self::Latency, Self::Errors, Self::Resources];

    /// The key in `monitoring.metrics`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Errors => "errors",
            Self::Resources => "resources",
        }
    }
}

/// How a figure behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It is as large as it is.
    Gauge,
    /// Many times, of which the distribution is kept.
    Times,
}

/// What a family of figures is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The group it belongs to.
    pub group: Group,
    /// Its name, with the unit where that is no plain number.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What tells its figures apart; empty where there is one.
    pub label: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
}

/// A figure that a core counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Open connections of members of documents.
    DocumentConnections,
    /// Open connections of those who watch who is present.
    PresenceConnections,
    /// Open connections of those who watch how the server is doing.
    MonitoringConnections,
    /// Open connections of those who translate.
    TranslationConnections,
    /// Connections that were opened, the same four ways.
    DocumentConnectionsOpened,
    /// See [`Self::DocumentConnectionsOpened`].
    PresenceConnectionsOpened,
    /// See [`Self::DocumentConnectionsOpened`].
    MonitoringConnectionsOpened,
    /// See [`Self::DocumentConnectionsOpened`].
    TranslationConnectionsOpened,
    /// Refresh tokens that were taken.
    LoginsRefreshed,
    /// Refresh tokens that were shown a second time.
    LoginsCopied,
    /// Revocations that were asked for.
    LoginsRevoked,
    /// Documents in memory.
    DocumentsLoaded,
    /// People who edit, each once a document.
    Editors,
    /// People who only view, each once a document.
    Viewers,
    /// Peers that were cut off, because they were silent for too long or did not answer a close.
    DeadConnections,
    /// Bytes that were read from WebSockets.
    BytesReceived,
    /// Bytes that were written to WebSockets.
    BytesSent,
    /// Bytes that wait for the disk.
    DiskWaitingBytes,
    /// Bytes that wait for members and watchers to read them.
    OutboundWaitingBytes,
    /// Steps of the ladder for slow readers: cursors left out, since newer ones followed.
    CursorsConflated,
    /// Backlogs discarded, to be replaced by a state.
    BacklogsReplaced,
    /// States sent in their place.
    StatesForSlowReaders,
    /// Connections closed for reading too slowly.
    SlowReadersClosed,
    /// Heartbeats with the checksum of another text than the document's.
    Divergences,
    /// What was beyond a limit: messages beyond the rate a minute.
    BeyondMessageRate,
    /// Messages beyond the rate a second.
    BeyondBurstRate,
    /// Large messages too soon after one another.
    BeyondLargeMessage,
    /// Connections beyond what a user may have.
    BeyondUserConnections,
    /// Editors beyond what a document may have.
    BeyondDocumentEditors,
    /// Connections beyond what the server may have.
    BeyondConnections,
    /// Connections closed because of repeated refusals.
    ClosedForRefusals,
    /// HTTP requests beyond the rate a minute.
    BeyondRequestRate,
    /// Times that the system gave no connection, for want of files or memory.
    AcceptFailures,
    /// Connections closed at once, since there were too many.
    ConnectionsSurplus,
}

impl Figure {
    /// All there are, in the order of their discriminants; those of one family stand together.
    pub const ALL: [Self; 34] = [
        Self::DocumentConnections,
        Self::PresenceConnections,
        Self::MonitoringConnections,
        Self::TranslationConnections,
        Self::DocumentConnectionsOpened,
        Self::PresenceConnectionsOpened,
        Self::MonitoringConnectionsOpened,
        Self::TranslationConnectionsOpened,
        Self::LoginsRefreshed,
        Self::LoginsCopied,
        Self::LoginsRevoked,
        Self::DocumentsLoaded,
        Self::Editors,
        Self::Viewers,
        Self::DeadConnections,
        Self::BytesReceived,
        Self::BytesSent,
        Self::DiskWaitingBytes,
        Self::OutboundWaitingBytes,
        Self::CursorsConflated,
        Self::BacklogsReplaced,
        Self::StatesForSlowReaders,
        Self::SlowReadersClosed,
        Self::Divergences,
        Self::BeyondMessageRate,
        Self::BeyondBurstRate,
        Self::BeyondLargeMessage,
        Self::BeyondUserConnections,
        Self::BeyondDocumentEditors,
        Self::BeyondConnections,
        Self::ClosedForRefusals,
        Self::BeyondRequestRate,
        Self::AcceptFailures,
        Self::ConnectionsSurplus,
    ];

    /// The family it belongs to, and its label in that.
    #[must_use]
    pub const fn info(self) -> (Info, &'static str) {
        const OPEN: Info = Info {
            group: Group::Connections,
            name: "open",
            kind: Kind::Gauge,
            label: "endpoint",
            help: "WebSocket connections that are open",
        };
        const OPENED: Info = Info {
            group: Group::Connections,
            name: "opened",
            kind: Kind::Counter,
            label: "endpoint",
            help: "WebSocket connections that were opened",
        };
        const PEOPLE: Info = Info {
            group: Group::Connections,
            name: "people",
            kind: Kind::Gauge,
            label: "role",
            help: "people in documents, each once a document, as of the last second",
        };
        match self {
            Self::DocumentConnections => (OPEN, "document"),
            Self::PresenceConnections => (OPEN, "presence"),
            Self::MonitoringConnections => (OPEN, "monitoring"),
            Self::TranslationConnections => (OPEN, "translation"),
            Self::DocumentConnectionsOpened => (OPENED, "document"),
            Self::PresenceConnectionsOpened => (OPENED, "presence"),
            Self::MonitoringConnectionsOpened => (OPENED, "monitoring"),
            Self::TranslationConnectionsOpened => (OPENED, "translation"),
            Self::LoginsRefreshed => (LOGINS, "refreshed"),
            Self::LoginsCopied => (LOGINS, "copied"),
            Self::LoginsRevoked => (LOGINS, "revoked"),
            Self::DocumentsLoaded => (
                Info {
                    group: Group::Connections,
                    name: "documents",
                    kind: Kind::Gauge,
                    label: "",
                    help: "documents in memory, as of the last second",
                },
                "",
            ),
            Self::Editors => (PEOPLE, "editor"),
            Self::Viewers => (PEOPLE, "viewer"),
            Self::DeadConnections => (
                Info {
                    group: Group::Errors,
                    name: "connections_dead",
                    kind: Kind::Counter,
                    label: "",
                    help: "peers that were cut off for silence, or for not answering a close",
                },
                "",
            ),
            Self::BytesReceived => (NETWORK, "received"),
            Self::BytesSent => (NETWORK, "sent"),
            Self::DiskWaitingBytes => (
                Info {
                    group: Group::Resources,
                    name: "disk_waiting_bytes",
                    kind: Kind::Gauge,
                    label: "",
                    help: "bytes of changes that wait for the disk, as of the last second",
                },
                "",
            ),
            Self::OutboundWaitingBytes => (
                Info {
                    group: Group::Resources,
                    name: "outbound_waiting_bytes",
                    kind: Kind::Gauge,
                    label: "",
                    help: "bytes that wait for members of documents and for watchers to read them, as of the last second",
                },
                "",
            ),
            Self::CursorsConflated => (SLOW, "cursor_left_out"),
            Self::BacklogsReplaced => (SLOW, "backlog_replaced"),
            Self::StatesForSlowReaders => (SLOW, "state_sent"),
            Self::SlowReadersClosed => (SLOW, "closed"),
            Self::Divergences => (
                Info {
                    group: Group::Errors,
                    name: "divergences",
                    kind: Kind::Counter,
                    label: "",
                    help: "heartbeats with the checksum of another text than the document's, as of the last second",
                },
                "",
            ),
            Self::BeyondMessageRate => (BEYOND, "message_rate"),
            Self::BeyondBurstRate => (BEYOND, "burst_rate"),
            Self::BeyondLargeMessage => (BEYOND, "large_message"),
            Self::BeyondUserConnections => (BEYOND, "user_connections"),
            Self::BeyondDocumentEditors => (BEYOND, "document_editors"),
            Self::BeyondConnections => (BEYOND, "connections"),
            Self::ClosedForRefusals => (BEYOND, "closed"),
            Self::BeyondRequestRate => (BEYOND, "request_rate"),
            Self::AcceptFailures => (ACCEPT, "failed"),
            Self::ConnectionsSurplus => (ACCEPT, "surplus"),
        }
    }
}

const LOGINS: Info = Info {
    group: Group::Connections,
    name: "logins",
    kind: Kind::Counter,
    label: "event",
    help: "refresh tokens that were taken, those that were shown again and so may be stolen, and revocations that were asked for",
};
const SLOW: Info = Info {
    group: Group::Errors,
    name: "slow_readers",
    kind: Kind::Counter,
    label: "step",
    help: "what was done about members that read too slowly, as of the last second",
};
const BEYOND: Info = Info {
    group: Group::Errors,
    name: "beyond_limits",
    kind: Kind::Counter,
    label: "limit",
    help: "what was beyond a limit, and connections closed for repeating that, as of the last second",
};
const ACCEPT: Info = Info {
    group: Group::Errors,
    name: "connections_not_accepted",
    kind: Kind::Counter,
    label: "reason",
    help: "connections that the system did not give, and those that were closed at once as too many",
};
const NETWORK: Info = Info {
    group: Group::Resources,
    name: "network_bytes",
    kind: Kind::Counter,
    label: "direction",
    help: "bytes read from and written to WebSockets, as of the last second",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_place_and_families_stand_together() {
        assert!(Figure::ALL.iter().enumerate().all(|(index, figure)| *figure as usize == index));
        let families: Vec<Info> = Figure::ALL.iter().map(|figure| figure.info().0).collect();
        let mut seen: Vec<Info> = families.chunk_by(PartialEq::eq).map(|chunk| chunk[0]).collect();
        let count = seen.len();
        seen.sort_by_key(|info| (info.group.name(), info.name));
        seen.dedup_by_key(|info| (info.group.name(), info.name));
        assert_eq!(seen.len(), count, "a family is in two places");
        for figure in Figure::ALL {
            let (info, label) = figure.info();
            assert_eq!(info.label.is_empty(), label.is_empty(), "{figure:?}");
        }
    }
}

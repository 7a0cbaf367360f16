import Foundation

/// Tells systemd how the daemon is (sd_notify(3)), when systemd asked for it.
struct SystemdNotify {
  private let path: String?
  /// Nanoseconds between two signs of life; nil when nobody waits for them.
  let watchdog: UInt64?

  /// What `environment` says of it.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    path = environment["NOTIFY_SOCKET"]
    let isMine = environment["WATCHDOG_PID"].map { $0 == "\(ProcessInfo.processInfo.processIdentifier)" } ?? true
    watchdog = isMine ? environment["WATCHDOG_USEC"].flatMap { UInt64($0) }.map { $0 * 1000 / 2 } : nil
  }

  /// `READY=1`, `STATUS=…`, `WATCHDOG=1`.
  func tell(_ text: String) { if let path { SystemCalls.notify(path: path, text) } }
}

import Foundation

/// Where programs look for those that answer DPDK's telemetry questions.
enum TelemetryFolder {
  /// The folder of DPDK programs with this file prefix: beneath /var/run for root, else beneath the user's runtime folder.
  static func path(
    prefix: String, user: UInt32 = SystemCalls.user,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String {
    (user == 0 ? "/var/run" : environment["XDG_RUNTIME_DIR"] ?? "/tmp") + "/dpdk/" + prefix
  }
}

/// Who may carry rules out.
public enum OffloadMode: String, Sendable, CaseIterable {
  /// The device does what it can.
  case auto
  /// A rule that is not all the device's is an error.
  case requireHardware = "require-hw"
  /// The device does nothing.
  case forbidHardware = "forbid-hw"
}

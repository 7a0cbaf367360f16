public import DeviceBus
public import Memory
public import Virtqueue

/// Where a device runs, and what can be done to it from outside of its rings.
public protocol DeviceHost: AnyObject {
  /// Starts a device on new memory of `layout`, which `prepare` lays out before the device sees it. What ran before must
  /// be gone.
  func start(_ layout: BusLayout, prepare: (SharedRegion) throws(HostError) -> Void) throws(HostError)

  /// Wakes the device when it sleeps.
  func kick()

  /// Waits until the device calls or is gone, at most `milliseconds`.
  func wait(milliseconds: Int32)

  /// Whether the device is gone for good: nothing writes to its memory any more. A look costs a system call.
  var isGone: Bool { get }

  /// Ends the device; ``isGone`` says when that is done.
  func kill()
}

/// Why a device does not run.
public struct HostError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The sentence.
  public var description: String
  /// An error.
  public init(_ description: String) { self.description = description }
}

/// Why a device was taken out of service.
public enum DeviceLoss: Equatable, Sendable, CustomStringConvertible {
  /// Its process ended, or the line to it did.
  case gone
  /// It made no progress in so many of our polls although work was pending.
  case silent
  /// It broke the rules of a ring.
  case ring(RingFault)
  /// It answered what nobody had asked, or something that cannot be.
  case answer(AnswerFault)
  /// It says that it reset itself.
  case reset
  /// It says that its driver broke the rules of a ring.
  case complaint(RingFault?)
  /// It was taken out of service from here.
  case asked

  /// One word on every interface.
  public var name: String {
    switch self {
    case .gone: "gone"
    case .silent: "silent"
    case .ring(let fault): fault.name
    case .answer(let fault): fault.rawValue
    case .reset: "reset"
    case .complaint: "complaint"
    case .asked: "asked"
    }
  }

  /// The sentence.
  public var description: String {
    switch self {
    case .gone: "the device's process ended"
    case .silent: "the device made no progress although work was pending"
    case .ring(let fault): "the device broke the rules of a ring: \(fault.sentence)"
    case .answer(let fault): "the device lied: \(fault.sentence)"
    case .reset: "the device reset itself"
    case .complaint(let fault): "the device says that its driver broke the rules: \(fault?.sentence ?? "no reason")"
    case .asked: "the device was taken out of service"
    }
  }
}

/// What a device's answer can have wrong, beside its ring.
public enum AnswerFault: String, Equatable, Sendable, CaseIterable {
  /// Shorter than a frame's header, or of another length than the header says.
  case answerLength = "answer_length"
  /// The header holds a number that means nothing.
  case answerHeader = "answer_header"
  /// No frame is out under that cookie, or it was answered.
  case answerCookie = "answer_cookie"
  /// A frame to a port that the overlay does not have.
  case answerPort = "answer_port"
  /// A result of the administration queue that is none.
  case adminResult = "admin_result"

  /// The sentence.
  public var sentence: String {
    switch self {
    case .answerLength: "an answer's length and its header's disagree"
    case .answerHeader: "an answer's header holds a number that means nothing"
    case .answerCookie: "it answered a frame that it does not have"
    case .answerPort: "it sent a frame out of a port that is not there"
    case .adminResult: "a command's result is malformed"
    }
  }
}

import Memory

/// An item as the library gave it: bytes are windows on the library's memory, valid during the call.
struct ForeignItem {
  var kind: UInt32
  var number: UInt32 = 0
  var spec: Bytes?
  var last: Bytes?
  var mask: Bytes?
  var specBits: UInt32 = 0
  var maskBits: UInt32 = 0
  var data: Bytes?
  var dataMask: Bytes?
}

/// An action as the library gave it.
struct ForeignAction {
  var kind: UInt32
  var number: UInt32 = 0
  var value: UInt64 = 0
  var context: UInt64 = 0
  var bytes: Bytes?
  /// The length that was said, also where there are no bytes.
  var size = 0
  var queues: [UInt16] = []
  var list: [ForeignAction] = []
}

/// A rule as the library gave it.
struct ForeignRule {
  var group: UInt32 = 0
  var priority: UInt32 = 0
  var ingress = false
  var egress = false
  var transfer = false
  /// The ethdev it was made on, and how many receive queues that has.
  var port: UInt16 = 0
  var queues: UInt16 = 1
  var pattern: [ForeignItem] = []
  var actions: [ForeignAction] = []
}

import Device
import Testing

@testable import Runtime

@Suite("Frames that wait for a next hop")
struct HeldFramesTests {
  @Test("are at most as many of one tenant as are free, and another's find room then")
  func boundsForTenants() {
    var held = HeldFrames()
    var taken = [0, 0]
    var frame = Frame()
    for tenant in 0..<2 {
      frame.inPort = UInt16(tenant + 1)
      for number in 0..<1000 {
        let remote = UInt128(tenant * 1000 + number)
        if held.hold(frame, remote: remote, port: 0, tenant: tenant, now: 0) { taken[tenant] += 1 }
      }
    }
    // Half of 512; then half of what the first left.
    #expect(taken == [256, 128])
    let counts = [held.count(from: 1), held.count(from: 2), held.count(from: 3)]
    #expect(counts == [256, 128, 0])
  }
}

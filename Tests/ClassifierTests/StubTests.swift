// Removed by the room's first real test.

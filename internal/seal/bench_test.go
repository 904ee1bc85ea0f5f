package seal

import "testing"

func BenchmarkWrapSeal(b *testing.B) {
	k, data, value := newTestKey(b), randomKey(), Pad(make([]byte, 100))
	for b.Loop() {
		if _, err := k.Wrap([]byte("record"), data); err != nil {
			b.Fatal(err)
		}
		if _, err := Seal(data, []byte("ad"), value); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkUnlockKeyFile(b *testing.B) {
	u, k := testUnlocker(b), newTestKey(b)
	s := Slots{mustSlot(b, u, k, Method{Kind: KeyFile})}
	for b.Loop() {
		if _, err := u.Unlock(b.Context(), testStore, s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkPassphrase(b *testing.B) {
	s := newStretch()
	for b.Loop() {
		s.key([]byte("correct horse"))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

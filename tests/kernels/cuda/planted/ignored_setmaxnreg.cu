/// Without a bound on its threads the register count at entry is unknown, and ptxas ignores this.
__global__ void AsksInVain(float* out) {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
  out[threadIdx.x] = 1;
}

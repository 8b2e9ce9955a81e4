#include "baton/transport/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::transport {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Path kShared{.kinds = {PathKind::kSharedMemory}, .text = "shared memory (sysv)"};
const Path kTcp{.kinds = {PathKind::kTcp}, .text = "tcp (lo)"};
const Path kBoth{.kinds = {PathKind::kSharedMemory, PathKind::kTcp}, .text = "both"};

TEST(RequiredPaths, AnyAcceptsEverythingEvenWhatCannotBeTold) {
  const RequiredPaths any = *ParseRequiredPaths({"any"});
  EXPECT_THAT(any, IsEmpty());
  for (const Path& path : {kShared, kTcp, Path{}}) {
    EXPECT_TRUE(CheckFound(any, path).ok());
    EXPECT_TRUE(CheckOffered(any, path).ok());
  }
}

TEST(RequiredPaths, AreReadByName) {
  EXPECT_THAT(*ParseRequiredPaths({"shm", "rdma", "shm"}),
              ElementsAre(PathKind::kSharedMemory, PathKind::kRdma));
  EXPECT_FALSE(ParseRequiredPaths({"pigeon"}).ok());
  EXPECT_FALSE(ParseRequiredPaths({"any", "shm"}).ok());
}

TEST(RequiredPaths, RefuseAPathOfAnotherKindAndNameBoth) {
  const Status status = CheckFound({PathKind::kSharedMemory, PathKind::kRdma}, kTcp);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "transport.required is shm or rdma, but the path found is tcp (lo) (tcp)");
}

TEST(RequiredPaths, RefuseAPathOnWhichDataMayAlsoTravelOtherwise) {
  EXPECT_FALSE(CheckFound({PathKind::kSharedMemory}, kBoth).ok());
  EXPECT_TRUE(CheckFound({PathKind::kSharedMemory, PathKind::kTcp}, kBoth).ok());
}

TEST(RequiredPaths, RefuseAPathThatCannotBeTold) {
  EXPECT_FALSE(CheckFound({PathKind::kSharedMemory}, Path{}).ok());
}

TEST(RequiredPaths, TakeAHostThatOffersOneOfThem) {
  EXPECT_TRUE(CheckOffered({PathKind::kTcp}, kBoth).ok());
  const Status status = CheckOffered({PathKind::kRdma}, kBoth);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "transport.required is rdma, but this host offers both");
}

}  // namespace
}  // namespace baton::transport
